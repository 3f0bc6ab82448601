package ringbuf

import (
	"testing"

	"github.com/shmkit/shmkit/internal/race"
)

// faultsAreSeen skips a test that truncates files under ends that use them, where the race
// detector does the atomics: it does them in C, on another stack, and if one of them is the
// access that faults, Go's runtime cannot unwind ("traceback did not unwind completely").
func faultsAreSeen(t *testing.T) {
	t.Helper()
	if race.Enabled {
		t.Skip("a fault in an atomic of the race detector ends the process")
	}
}
