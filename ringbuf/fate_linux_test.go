package ringbuf

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/testproc"
)

// fatedQueue has sparse lanes with leases, of so many bytes, 0 for the default.
func fatedQueue(t testing.TB, redeliver bool, capacity int) *Queue {
	return queue(t, &Options{Leases: true, Redeliver: redeliver, Grow: true, Capacity: capacity, MaxMessage: 150_000, OnPeerDeath: Wait})
}

// emptied is how much memory a queue with leases has at most when all is finished: of each
// lane its words, that part of its table which was used, and two chunks.
func emptied(q *Queue) (most int64) {
	s := q.ring.many
	most = int64(s.geo.head)
	for i := range s.usedLanes() {
		most += int64(s.geo.slots - s.geo.words + 2*s.geo.chunk + roundUp(int(s.lanes[i].entries.Load())*extentSize, zoneUnit))
	}
	return most
}

// Sends messages 0 to n, and stays.
var _ = testproc.Helper("fate sender", func(c *testproc.Child) {
	q := openedQueue(c, 0)
	for i := range number(c, 0) {
		require.NoError(c, q.Send(context.Background(), numbered(1, i, 16)))
	}
	c.WriteLine("sent")
	select {}
})

// Holds so many messages, and stays.
var _ = testproc.Helper("fate hoarder", func(c *testproc.Child) {
	q := openedQueue(c, 0)
	for range number(c, 0) {
		_, err := q.Lease(context.Background())
		require.NoError(c, err)
	}
	c.WriteLine("holds")
	select {}
})

// Millions of messages of one producer are unfinished; the producer is killed, and a worker
// that holds many of them. Their memory comes back when they are finished, and not before.
func TestFateX06Millions(t *testing.T) {
	messages, hoarded := 1_000_000, 300_000
	if race.Enabled { // which is slow, and looks at other things
		messages, hoarded = 100_000, 30_000
	}
	eachRedeliver(t, func(t *testing.T, redeliver bool) {
		q := fatedQueue(t, redeliver, 0)
		ctx := bounded(t)
		p := testproc.Start(t, "fate sender", testproc.Files(q.File()), testproc.Args(fmt.Sprint(messages)))
		p.Expect("sent")
		require.Equal(t, messages, q.Unfinished())
		full := memoryOf(t, q.File())
		require.Greater(t, full, int64(messages*placeSize))
		w := testproc.Start(t, "fate hoarder", testproc.Files(q.File()), testproc.Args(fmt.Sprint(hoarded)))
		w.Expect("holds")
		p.Kill()
		p.Wait()
		require.Equal(t, messages, q.Unfinished())
		require.Equal(t, messages-hoarded, q.Len())
		require.Equal(t, full, memoryOf(t, q.File()))
		done := joining(t, another(t, q)) // which buries
		w.Kill()
		w.Wait()
		left, seen := messages-hoarded, make([]bool, messages)
		if redeliver {
			left = messages
		}
		until(t, func() bool { return q.Unfinished() == left })
		leases := make([]Lease, 0, left)
		again := 0
		for range left {
			l, err := q.Lease(ctx)
			require.NoError(t, err)
			_, n := numbers(t, l.Bytes())
			if seen[n] {
				t.Fatalf("message %d twice", n)
			}
			if seen[n] = true; l.Redelivered() {
				again++
			}
			leases = append(leases, l)
		}
		require.Equal(t, left-(messages-hoarded), again)
		// In any order.
		rand.Shuffle(len(leases), func(i, j int) { leases[i], leases[j] = leases[j], leases[i] })
		last := leases[len(leases)-1]
		for _, l := range leases[:len(leases)-1] {
			if err := l.Done(); err != nil {
				require.NoError(t, err)
			}
		}
		require.Equal(t, 1, q.Unfinished())
		_, err := q.TryLease() // gives back what the joiner, who has no role, has read of holes
		require.ErrorIs(t, err, ErrEmpty)
		require.LessOrEqual(t, memoryOf(t, q.File()), emptied(q)+chunkSize, "one keeps its chunk")
		require.NoError(t, last.Done())
		require.NoError(t, get(t, done).err)
		require.Zero(t, q.Unfinished())
		_, err = q.TryLease()
		require.ErrorIs(t, err, ErrEmpty)
		require.LessOrEqual(t, memoryOf(t, q.File()), emptied(q))
		t.Logf("%d KiB with all, %d KiB afterwards", full>>10, memoryOf(t, q.File())>>10)
	})
}

// Messages of all sizes through few chunks, several held at a time and finished in any
// order, by two consumers of which one leaves now and then, against a map.
func TestFateModel(t *testing.T) {
	for seed := range uint64(6) {
		q := fatedQueue(t, seed%2 == 0, leastChunks*chunkSize)
		d := another(t, q)
		rnd := rand.New(rand.NewPCG(seed, 11))
		type holding struct {
			Lease
			n  int
			of *Queue
		}
		var held []holding
		next, wanted := 0, 0
		var again []int // of who has left
		send := func() bool {
			err := q.TrySend(numbered(1, next, growSize(next)))
			if err == nil {
				next++
				return true
			}
			require.ErrorIs(t, err, ErrFull)
			return false
		}
		lease := func(of *Queue) bool {
			l, err := of.TryLease()
			if err != nil {
				require.ErrorIs(t, err, ErrEmpty)
				require.Equal(t, next, wanted)
				require.Empty(t, again)
				return false
			}
			_, n := numbers(t, l.Bytes())
			require.Equal(t, max(growSize(n), 16), len(l.Bytes()))
			if l.Redelivered() {
				require.Contains(t, again, n)
				for i, m := range again {
					if m == n {
						again = append(again[:i], again[i+1:]...)
						break
					}
				}
			} else {
				require.Equal(t, wanted, n)
				wanted++
			}
			held = append(held, holding{l, n, of})
			return true
		}
		done := func() {
			i := rnd.IntN(len(held))
			h := held[i]
			_, n := numbers(t, h.Bytes())
			require.Equal(t, h.n, n, "it is what it was")
			require.NoError(t, h.Done())
			require.ErrorIs(t, h.Done(), ErrDone)
			held = append(held[:i], held[i+1:]...)
		}
		for range 3000 {
			switch rnd.IntN(8) {
			case 0, 1:
				for k := 0; k < 1+rnd.IntN(40) && send(); k++ {
				}
			case 2, 3:
				for k := 0; k < 1+rnd.IntN(40) && lease([]*Queue{q, d}[rnd.IntN(2)]); k++ {
				}
			case 4, 5, 6:
				for range rnd.IntN(len(held) + 1) {
					done()
				}
			case 7:
				if rnd.IntN(20) > 0 {
					break
				}
				require.NoError(t, d.Close())
				left := held[:0]
				for _, h := range held {
					switch {
					case h.of == q:
						left = append(left, h)
					case q.ring.opts.Redeliver:
						again = append(again, h.n)
					}
				}
				held, d = left, another(t, q)
			}
			require.Equal(t, next-wanted+len(held)+len(again), q.Unfinished())
		}
		for lease(q) {
		}
		for len(held) > 0 {
			done()
		}
		require.NoError(t, q.WaitFinished(bounded(t)))
		require.LessOrEqual(t, memoryOf(t, q.File()), emptied(q)+chunkSize, "one may be ready for the next message")
		require.NoError(t, d.Close())
	}
}

// What is held keeps its chunk, and the producer goes round it. When there is no other one
// it waits, until the last message in one is finished; so does the next producer in the
// lane.
func TestFateHeldChunks(t *testing.T) {
	q := fatedQueue(t, true, leastChunks*chunkSize)
	d := another(t, q)
	ctx := bounded(t)
	n := 0
	roundFor := func() (l Lease) { // holds one message, and goes round once with others
		require.NoError(t, q.Send(ctx, numbered(1, n, 100)))
		l, err := d.Lease(ctx)
		require.NoError(t, err)
		for range 2 * leastChunks * chunkSize / 30_000 {
			n++
			if q.TrySend(numbered(1, n, 30_000)) != nil {
				break
			}
			x, err := d.Lease(ctx)
			require.NoError(t, err)
			_, k := numbers(t, x.Bytes())
			require.Equal(t, n, k)
			require.NoError(t, x.Done())
		}
		n++
		return l
	}
	var held []Lease
	for range leastChunks {
		held = append(held, roundFor())
		for _, l := range held {
			numbers(t, l.Bytes())
		}
	}
	for q.TrySend(numbered(1, n, 30_000)) == nil {
		n++
		l, err := d.Lease(ctx)
		require.NoError(t, err)
		held = append(held, l)
	}
	require.ErrorIs(t, q.TrySend(numbered(1, n, 30_000)), ErrFull)
	sent := async(func() ([]byte, error) { return nil, q.Send(ctx, numbered(1, n, 30_000)) })
	until(t, func() bool { return q.ring.many.lanes[0].asleep.Load() != awake })
	for _, l := range held {
		numbers(t, l.Bytes())
		require.NoError(t, l.Done())
	}
	require.NoError(t, get(t, sent).err)
	l, err := d.Lease(ctx)
	require.NoError(t, err)
	require.NoError(t, l.Done())

	// Full of what one holds: the next producer in the lane waits for it too.
	held = held[:0]
	for k := 0; q.TrySend(numbered(1, k, 30_000)) == nil; k++ {
		l, err := d.Lease(ctx)
		require.NoError(t, err)
		held = append(held, l)
	}
	require.NoError(t, q.Close())
	o := another(t, d)
	require.ErrorIs(t, o.TrySend(numbered(2, 0, 30_000)), ErrFull)
	sent = async(func() ([]byte, error) { return nil, o.Send(ctx, numbered(2, 0, 30_000)) })
	until(t, func() bool { return d.ring.many.lanes[0].asleep.Load() == forChunk })
	require.Len(t, d.ring.many.usedLanes(), 1)
	for _, l := range held {
		require.NoError(t, l.Done())
	}
	require.NoError(t, get(t, sent).err)
	l, err = o.Lease(ctx)
	require.NoError(t, err)
	require.NoError(t, l.Done())
	require.NoError(t, d.WaitFinished(ctx))
	require.LessOrEqual(t, memoryOf(t, d.File()), emptied(d))
}

// A ring's consumer holds messages where they lie too, and they come again when it dies or
// leaves.
func TestFateRing(t *testing.T) {
	o := least()
	o.Redeliver = true
	r := ring(t, o)
	p, c := producer(t, r), consumer(t, r)
	for n := range 3 {
		require.NoError(t, p.Send(bounded(t), numbered(1, n, 100)))
	}
	b, err := c.Next(bounded(t))
	require.NoError(t, err)
	_, n := numbers(t, b)
	require.Zero(t, n)
	d := consumer(t, r)
	require.NoError(t, c.Close())
	for _, want := range []int{0, 1, 2} {
		b, err := d.Recv(bounded(t), nil)
		require.NoError(t, err)
		_, n := numbers(t, b)
		require.Equal(t, want, n)
		require.Equal(t, want == 0, d.Redelivered())
	}
}

// What stands where a message is held is read once, and checked: its length, its fate.
func TestFateCorrupt(t *testing.T) {
	for name, spoil := range map[string]func(record, fate interface{ Store(uint64) }){
		"long":        func(record, _ interface{ Store(uint64) }) { record.Store(chunkMost + 1) },
		"an extent":   func(record, _ interface{ Store(uint64) }) { record.Store(kindExtent | 5) },
		"other turn":  func(_, fate interface{ Store(uint64) }) { fate.Store(3<<turnShift | uint64(phaseReady)) },
		"ready again": func(_, fate interface{ Store(uint64) }) { fate.Store(uint64(oneUse | phaseReady)) },
	} {
		t.Run(name, func(t *testing.T) {
			q := fatedQueue(t, true, leastChunks*chunkSize)
			require.NoError(t, q.Send(bounded(t), numbered(1, 0, 100)))
			fate, _ := q.ring.many.fateAt(0, 0)
			spoil(q.ring.many.record(0), fate)
			_, err := q.Lease(bounded(t))
			require.ErrorIs(t, err, ErrCorrupt)
		})
	}
	q := fatedQueue(t, true, leastChunks*chunkSize)
	d := another(t, q)
	require.NoError(t, q.Send(bounded(t), numbered(1, 0, 100)))
	_, err := d.Lease(bounded(t))
	require.NoError(t, err)
	q.ring.many.record(0).Store(1 << 20) // while it is held
	require.NoError(t, d.Close())
	_, err = q.Lease(bounded(t))
	require.ErrorIs(t, err, ErrCorrupt)
	// A head among the fates, where what looks like a record would reach beyond the lane.
	q = fatedQueue(t, true, leastChunks*chunkSize)
	require.NoError(t, q.Send(bounded(t), numbered(1, 0, 100)))
	for _, kind := range []uint64{kindInline, kindExtent, kindFiller} {
		s, l := q.ring.many, &q.ring.many.lanes[0]
		at := leastChunks*chunkSize - 8
		s.chunkWord(0, leastChunks-1).Store(uint64(chunkLive))
		s.record(at).Store(kind | 1000)
		l.mark[0].Store((uint64(at) + 2000) >> 3 << 32)
		l.tail.Store(uint64(at) + 2000)
		l.head.Store(uint64(at))
		d := another(t, q)
		_, err := d.TryLease()
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorIs(t, d.WaitFinished(bounded(t)), ErrCorrupt)
		d.Unfinished()
		d.Len()
		require.NoError(t, d.Close())
		r, err := OpenFile(dup(t, q.File()))
		require.NoError(t, err)
		l.Word.Store(0) // so that somebody joins there
		_, err = r.Producer()
		require.ErrorIs(t, err, ErrCorrupt)
		require.NoError(t, r.Close())
	}
	q = fatedQueue(t, false, leastChunks*chunkSize)
	require.NoError(t, q.Send(bounded(t), numbered(1, 0, 100)))
	q.ring.many.lanes[0].mark[0].Store(1 << 40)
	q.ring.many.lanes[0].mark[1].Store(1 << 41)
	require.ErrorIs(t, q.WaitFinished(bounded(t)), ErrCorrupt)
}
