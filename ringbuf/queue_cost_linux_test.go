package ringbuf

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/testproc"
)

// queueCalls are calls that neither wait nor find anybody asleep.
func queueCalls(t require.TestingT, q *Queue, size int) map[string]func() {
	ctx := context.Background()
	msg, buf := make([]byte, size), make([]byte, 0, size)
	must := func(err error) {
		if err != nil {
			require.NoError(t, err)
		}
	}
	return map[string]func(){
		"Send, Recv": func() {
			must(q.Send(ctx, msg))
			_, err := q.Recv(ctx, buf)
			must(err)
		},
		"TrySend, TryRecv": func() {
			must(q.TrySend(msg))
			_, err := q.TryRecv(buf)
			must(err)
		},
		"nothing": func() {
			if _, err := q.TryRecv(buf); err != ErrEmpty {
				require.ErrorIs(t, err, ErrEmpty)
			}
		},
		"Len": func() { q.Len(); q.Empty() },
	}
}

// S5: no allocation where nobody waits, in anonymous and in named queues.
func TestQueueNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	eachQueue(t, func(t *testing.T, o *Options) {
		for _, name := range []string{"", newName(t)} {
			for _, size := range []int{8, 5000} {
				q, err := NewQueue(name, o)
				require.NoError(t, err)
				for what, call := range queueCalls(t, q, size) {
					require.Zero(t, testing.AllocsPerRun(200, call), "%s of %d", what, size)
				}
				require.NoError(t, q.Unlink())
				require.NoError(t, q.Close())
			}
		}
	})
}

var _ = testproc.Helper("queue cost", func(c *testproc.Child) {
	q, err := NewQueue("", nil)
	require.NoError(c, err)
	calls := queueCalls(c, q, 64)
	tracedCalls(c, calls)
})

// S5: no system call where nobody waits.
func TestQueueNoSystemCalls(t *testing.T) { noSystemCalls(t, "queue cost") }
