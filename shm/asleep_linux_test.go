package shm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// asleep returns when a thread of this process sleeps on a word of shared
// memory: in futex_waitv, or in a FUTEX_WAIT_BITSET that is not private (the Go
// runtime's own waits are neither).
func asleep(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(testproc.Watchdog); time.Now().Before(deadline); {
		paths, err := filepath.Glob("/proc/self/task/*/syscall")
		require.NoError(t, err)
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if call := strings.Fields(string(b)); err == nil && len(call) > 2 && (call[0] == "449" || call[2] == "0x9") {
				return
			}
		}
	}
	t.Fatal("nobody sleeps")
}
