package ringbuf

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

const fateWalkMessages = 60

// fateWalkSize is how large message n of producer from is: the second one writes over the
// first one's with records that end elsewhere.
func fateWalkSize(from, n int) int { return 16 + (n+3*from)%7*40 }

// Sends batches that are larger than the bound, and tells of each that was sent.
var _ = testproc.Helper("fate walk producer", func(c *testproc.Child) {
	p := asProducer(c)
	for n := 0; n < fateWalkMessages; {
		var batch [][]byte
		for k := range 7 {
			batch = append(batch, numbered(1, n+k, fateWalkSize(1, n+k)))
		}
		got, err := p.SendBatch(context.Background(), batch)
		require.NoError(c, err)
		n += got
		c.WriteLine("1 %d", n)
	}
	require.NoError(c, p.ring.Close())
})

func fateWalk(stop bool) *testproc.WalkOptions {
	return &testproc.WalkOptions{Prefix: []string{"fate."}, Hits: 3, Stop: stop}
}

// X05: wherever a producer dies, or is stopped, the next one writes over what it had not
// published, and nothing of that is ever held or waited for.
func fateProducerDies(t *testing.T, v *testproc.Victim) {
	q := queue(t, &Options{Leases: true, Grow: true, Capacity: leastChunks * chunkSize, Producers: 2, MaxMessages: 5, OnPeerDeath: Wait, Strategy: Block})
	p := v.Start("fate walk producer", testproc.Files(q.File()))
	d := another(t, q)
	last := map[int]int{1: -1, 2: -1}
	var held []Lease
	drain := func() {
		for {
			l, err := d.TryLease()
			if err != nil {
				require.ErrorIs(t, err, ErrEmpty)
				return
			}
			from, n := numbers(t, l.Bytes())
			require.Equal(t, last[from]+1, n)
			require.Len(t, l.Bytes(), fateWalkSize(from, n))
			last[from] = n
			if held = append(held, l); len(held) > 3 {
				require.NoError(t, held[0].Done())
				held = held[1:]
			}
		}
	}
	until(t, func() bool {
		drain()
		if v.Fired() && !ended(p) && p.WaitStopped() {
			return true
		}
		return ended(p)
	})
	if ended(p) {
		p.Wait()
	}
	for n := range fateWalkMessages { // in the same lane, if it is free
		until(t, func() bool { drain(); return q.TrySend(numbered(2, n, fateWalkSize(2, n))) == nil })
	}
	drain()
	require.Equal(t, fateWalkMessages-1, last[2])
	until(t, func() bool { p.Cont(); drain(); return ended(p) })
	told(t, p, func(_, n int) { require.GreaterOrEqual(t, last[1]+1, n) })
	for _, l := range held {
		require.NoError(t, l.Done())
	}
	require.Zero(t, q.Unfinished())
	require.NoError(t, q.WaitFinished(bounded(t)))
	s := q.ring.many
	for i := range s.usedLanes() {
		s.drained(i, 0, nobody)
		require.Equal(t, s.passed(s.lanes[i].head.Load(), 0), s.floor(s.floorWord(i, 0).Load(), 0), "nothing is in the way of lane %d's floor", i)
	}
}

func TestFateCrashWalk(t *testing.T) {
	testproc.CrashWalk(t, fateWalk(false), fateProducerDies, leaseDies(false, true), leaseDies(true, true))
}

func TestFateStopWalk(t *testing.T) {
	testproc.CrashWalk(t, fateWalk(true), fateProducerDies, leaseStops(true))
}
