//go:build !explore

package semaphore

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// tracedRounds is how often helpers do what must not make system calls.
const tracedRounds = 1000

// noSystemCalls runs a helper with the file and checks that what it has traced makes no
// system call. It returns the whole trace.
func noSystemCalls(t *testing.T, helper string, f *os.File, args ...string) (trace string) {
	t.Helper()
	calls, trace := testproc.Trace(t, helper, testproc.Files(f), testproc.Args(args...))
	require.Less(t, len(calls), tracedRounds/10, "the runtime may make some:\n%s", strings.Join(calls, "\n"))
	for _, call := range calls { // the runtime's are _PRIVATE
		require.NotRegexp(t, `FUTEX_(WAKE|WAKE_OP|WAIT|WAIT_BITSET),|futex_waitv`, call)
	}
	return trace
}

// timedOnMonotonicClock checks that there are timed waits in a trace, and none of them is
// on the wall clock (X14).
func timedOnMonotonicClock(t *testing.T, trace string) {
	t.Helper()
	timed := 0
	for line := range strings.Lines(trace) {
		if strings.Contains(line, "futex") && strings.Contains(line, "tv_sec") { // the runtime's are relative
			require.NotContains(t, line, "REALTIME")
			timed++
		}
	}
	require.Positive(t, timed)
}
