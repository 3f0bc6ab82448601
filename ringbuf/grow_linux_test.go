package ringbuf

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
)

// least is the smallest ring with sparse lanes.
func least() *Options {
	return &Options{Mode: MPMC, Grow: true, Capacity: leastChunks * chunkSize, MaxMessage: 150_000}
}

// growSizes are such that records end everywhere in a chunk.
var growSizes = []int{0, 1, 8, 100, 1024, 1025, 4000, chunkMost - 8, chunkMost - 1, chunkMost, chunkMost, chunkMost, chunkMost + 1, 100_000}

// growSize is how large message n is.
func growSize(n int) int { return growSizes[hash(n)%uint64(len(growSizes))] }

func memoryOf(t testing.TB, f *os.File) int64 {
	var st syscall.Stat_t
	require.NoError(t, syscall.Fstat(int(f.Fd()), &st))
	return st.Blocks * 512
}

// most is how much memory a ring has at most when all was received: of each lane the
// tables and two chunks.
func drained(s *shared, lanes int) int64 {
	return int64(s.geo.head + lanes*(s.geo.slots+2*s.geo.chunk))
}

func TestGrowOptions(t *testing.T) {
	for _, o := range []Options{{Grow: true}, {Grow: true, Leases: true}} {
		_, err := New("", &o)
		require.ErrorIs(t, err, ErrOption)
	}
	_, err := NewChan[int]("", 8, &Options{Mode: MPMC, Grow: true})
	require.ErrorIs(t, err, ErrOption)
	_, err = New("", &Options{Mode: MPMC, Grow: true, Capacity: 2*growCapacity + 1})
	require.ErrorIs(t, err, ErrSize)
	q := queue(t, &Options{Grow: true})
	require.Equal(t, 1<<30, q.Cap())
	require.Equal(t, 1<<28, q.MaxMessage())
	r, err := OpenFile(dup(t, q.File()))
	require.NoError(t, err)
	require.True(t, r.opts.Grow)
	require.NoError(t, r.Close())
	require.Equal(t, 1<<20, queue(t, &Options{Grow: true, Capacity: 1}).Cap())
	require.Less(t, memoryOf(t, q.File()), int64(1<<20))
	b := make([]byte, 1<<28)
	require.NoError(t, q.Send(bounded(t), b))
	require.ErrorIs(t, q.Send(bounded(t), append(b, 0)), ErrTooLarge)
}

// A producer sends all that it has before anybody receives: it does not wait. When all
// was received the memory is free, whatever has become of the producer.
func TestGrowFarAhead(t *testing.T) {
	const messages = 1_000_000
	for _, leaves := range []bool{false, true} {
		t.Run(fmt.Sprintf("leaves %v", leaves), func(t *testing.T) {
			r := ring(t, &Options{Mode: MPMC, Grow: true})
			p, c := producer(t, r), consumer(t, r)
			ctx := bounded(t)
			before := memoryOf(t, r.File())
			b := make([]byte, 80)
			for n := range messages {
				copy(b[16+n%48:], cut(n, 16))
				require.NoError(t, p.Send(ctx, b[:16+n%48+16]))
			}
			require.Greater(t, memoryOf(t, r.File()), before+messages*40)
			if leaves {
				require.NoError(t, p.Close())
			}
			for n := range messages {
				got, err := c.Recv(ctx, b)
				if err != nil || len(got) != 32+n%48 || string(got[16+n%48:]) != string(cut(n, 16)) {
					require.NoError(t, err)
					t.Fatalf("message %d is %x", n, got)
				}
			}
			require.LessOrEqual(t, memoryOf(t, r.File()), drained(r.many, 1))
			t.Logf("%d KiB before, %d after", before>>10, memoryOf(t, r.File())>>10)
		})
	}
}

// Messages of all sizes, in all ways, through few chunks, against a slice.
func TestGrowModel(t *testing.T) {
	for seed := range uint64(8) {
		r := ring(t, least())
		p, c := producer(t, r), consumer(t, r)
		ctx := bounded(t)
		rnd := rand.New(rand.NewPCG(seed, 7))
		var model []int
		next := 0
		check := func(b []byte) {
			require.NotEmpty(t, model)
			require.Equal(t, growSize(model[0]), len(b))
			require.True(t, string(cut(model[0], len(b))) == string(b), "message %d of seed %d", model[0], seed)
			model = model[1:]
		}
		sent := func(n int, err error) bool {
			if err != ErrFull {
				require.NoError(t, err)
				for range n {
					model = append(model, next)
					next++
				}
			}
			return err == nil
		}
		message := func(n int) []byte { return cut(n, growSize(n)) }
		for range 2000 {
			switch rnd.IntN(8) {
			case 0, 1, 2:
				sent(1, p.TrySend(message(next)))
			case 3:
				for k := 0; k < 100 && sent(1, p.TrySend(message(next))); k++ {
				}
			case 4:
				if r.Available() > 7*chunkSize/2 { // it does not wait
					var batch [][]byte
					for k := range 1 + rnd.IntN(20) {
						batch = append(batch, message(next + k)[:])
						if growSize(next+k) > chunkMost {
							batch = batch[:k]
							break
						}
					}
					n, err := p.SendBatch(ctx, batch)
					require.Len(t, batch, n)
					sent(n, err)
				}
			case 5:
				if b := message(next); r.Available() > 3*chunkSize && len(b) <= chunkMost {
					room, err := p.Reserve(ctx, len(b)+rnd.IntN(chunkMost+1-len(b)))
					require.NoError(t, err)
					if rnd.IntN(3) > 0 {
						sent(1, p.Commit(copy(room, b)))
					}
				}
			case 6:
				b, err := c.TryRecv(nil)
				if len(model) == 0 {
					require.ErrorIs(t, err, ErrEmpty)
					break
				}
				require.NoError(t, err)
				check(b)
			case 7:
				for len(model) > 0 {
					bufs := make([][]byte, 1+rnd.IntN(300))
					n, err := c.RecvBatch(ctx, bufs)
					require.NoError(t, err)
					for _, b := range bufs[:n] {
						check(b)
					}
				}
				require.LessOrEqual(t, memoryOf(t, r.File()), drained(r.many, 1)+chunkSize, "one may be ready for the next message")
			}
		}
		require.NoError(t, r.Close())
	}
}

var _ = testproc.Helper("grow producer", func(c *testproc.Child) {
	p := asProducer(c)
	id, count := number(c, 0), number(c, 1)
	for n := range count {
		require.NoError(c, p.Send(context.Background(), numbered(id, n, growSize(n))))
	}
	require.NoError(c, p.ring.Close())
})

var _ = testproc.Helper("grow consumer", func(c *testproc.Child) {
	e := asConsumer(c)
	last, counts := map[int]int{}, map[int]int{}
	for k := 0; ; k++ {
		err := manyReceive(context.Background(), e, k, func(b []byte, _ bool) {
			p, n := numbers(c, b)
			require.Equal(c, max(growSize(n), 16), len(b))
			if before, ok := last[p]; ok {
				require.Greater(c, n, before)
			}
			last[p] = n
			counts[p]++
		})
		if err == io.EOF {
			break
		}
		require.NoError(c, err)
	}
	c.WriteLine("%d %d", counts[1], counts[2])
	require.NoError(c, e.ring.Close())
})

// Two processes send and two receive, many times round the smallest lanes.
func TestGrowProcesses(t *testing.T) {
	const each = 4000 // some 75 MB
	for _, s := range strategies {
		t.Run(s.String(), func(t *testing.T) {
			o := least()
			o.Strategy = s
			r := ring(t, o)
			last := producer(t, r) // so that the stream has not ended before all have come
			var producers, consumers []*testproc.Proc
			for i := range 2 {
				consumers = append(consumers, testproc.Start(t, "grow consumer", testproc.Files(r.File())))
				producers = append(producers, testproc.Start(t, "grow producer", testproc.Files(r.File()), testproc.Args(fmt.Sprint(i+1), fmt.Sprint(each))))
			}
			for _, p := range producers {
				p.Succeed()
			}
			require.NoError(t, last.CloseSend())
			var counts [2]int
			for _, c := range consumers {
				var a, b int
				_, err := fmt.Sscan(c.ReadLine(), &a, &b)
				require.NoError(t, err)
				counts[0], counts[1] = counts[0]+a, counts[1]+b
				c.Succeed()
			}
			require.Equal(t, [2]int{each, each}, counts)
			require.LessOrEqual(t, memoryOf(t, r.File()), drained(r.many, 3))
		})
	}
}

// Where the file system is full nothing was sent, and the ring goes on.
func TestGrowNoSpace(t *testing.T) {
	for _, fated := range []bool{false, true} {
		t.Run(fmt.Sprintf("fates %v", fated), func(t *testing.T) { growNoSpace(t, fated) })
	}
}

func growNoSpace(t *testing.T, fated bool) {
	dir := t.TempDir()
	testproc.Need(t, "the right to mount a tmpfs", unix.Mount("shmkit-test", dir, "tmpfs", 0, "size=4m") == nil)
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	like := namedRing(t, newName(t), &Options{Mode: MPMC, Producers: 2, Grow: true, Redeliver: fated, Capacity: 64 << 20})
	r := copiedTo(t, like, filepath.Join(dir, "ring"))
	p, c := producer(t, r), consumer(t, r)
	for round := range 3 {
		n := 0
		for ; ; n++ {
			err := p.Send(bounded(t), numbered(round, n, 1000))
			if err != nil {
				require.ErrorIs(t, err, ErrNoSpace)
				break
			}
		}
		require.Greater(t, n, 2000)
		_, err := p.SendBatch(bounded(t), [][]byte{make([]byte, 20_000), make([]byte, 20_000)})
		require.ErrorIs(t, err, ErrNoSpace)
		_, err = p.Reserve(bounded(t), 100_000)
		require.ErrorIs(t, err, ErrNoSpace)
		for k := range n {
			b, err := c.Recv(bounded(t), nil)
			require.NoError(t, err)
			require.Equal(t, numbered(round, k, 1000), b)
		}
		_, err = c.TryRecv(nil)
		require.ErrorIs(t, err, ErrEmpty)
		require.LessOrEqual(t, memoryOf(t, r.File()), drained(r.many, 1))
	}
}

// Who reads where others were much faster finds a hole. It gives back the page that it got
// by that, and if there was none the end goes on all the same.
func TestGrowBeaten(t *testing.T) {
	dir := t.TempDir()
	testproc.Need(t, "the right to mount a tmpfs", unix.Mount("shmkit-test", dir, "tmpfs", 0, "size=4m") == nil)
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	like := namedRing(t, newName(t), &Options{Mode: MPMC, Producers: 2, Consumers: 2, Grow: true, Capacity: 64 << 20})
	r := copiedTo(t, like, filepath.Join(dir, "ring"))
	p, slow, fast := producer(t, r), consumer(t, r), consumer(t, r)
	for n := range 1500 {
		require.NoError(t, p.Send(bounded(t), numbered(1, n, 1000)))
	}
	c := slow.lane
	i, head, tail, ok, err := c.next()
	require.True(t, ok, "%v", err)
	for n := range 1500 {
		b, err := fast.Recv(bounded(t), nil)
		require.NoError(t, err)
		require.Equal(t, numbered(1, n, 1000), b)
	}
	read := func() error {
		_, to, err := c.parse(i, head, head, tail)
		require.Zero(t, to&^recordHeader, "an empty message, of which the head says that it is none")
		return err
	}
	before := memoryOf(t, r.File())
	lost, err := c.brave(read)
	require.NoError(t, err)
	require.False(t, lost)
	require.Greater(t, memoryOf(t, r.File()), before)
	require.False(t, c.taken(i, head, head+recordHeader))
	c.touchUp()
	require.Equal(t, before, memoryOf(t, r.File()))

	filler, err := os.Create(filepath.Join(dir, "filler"))
	require.NoError(t, err)
	_, err = filler.Write(make([]byte, 8<<20))
	require.ErrorIs(t, err, unix.ENOSPC)
	lost, err = c.brave(read)
	require.NoError(t, err)
	require.True(t, lost)
	require.NoError(t, filler.Close())
	require.NoError(t, os.Remove(filler.Name()))
	require.NoError(t, p.Send(bounded(t), numbered(1, 0, 1000)))
	b, err := slow.Recv(bounded(t), nil)
	require.NoError(t, err)
	require.Equal(t, numbered(1, 0, 1000), b)
}
