package ringbuf

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFateSmoke(t *testing.T) {
	for _, redeliver := range []bool{false, true} {
		q := queue(t, &Options{Leases: true, Redeliver: redeliver, Grow: true, OnPeerDeath: Wait})
		ctx := bounded(t)
		const messages = 100000
		for i := range messages {
			require.NoError(t, q.Send(ctx, numbered(0, i, 40)))
		}
		require.Equal(t, messages, q.Len())
		require.Equal(t, messages, q.Unfinished())
		t.Log(memoryOf(t, q.File()) >> 10)
		var leases []Lease
		for i := range messages {
			l, err := q.Lease(ctx)
			require.NoError(t, err)
			_, n := numbers(t, l.Bytes())
			require.Equal(t, i, n)
			leases = append(leases, l)
		}
		require.Equal(t, messages, q.Unfinished())
		for _, l := range leases {
			require.NoError(t, l.Done())
		}
		require.Equal(t, 0, q.Unfinished())
		require.NoError(t, q.WaitFinished(ctx))
		t.Log(memoryOf(t, q.File())>>10, drained(q.ring.many, 1)>>10)
	}
}
