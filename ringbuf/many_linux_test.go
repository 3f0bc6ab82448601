package ringbuf

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// many are the modes of rings with many ends.
var many = []Mode{MPSC, SPMC, MPMC}

func eachMany(t *testing.T, fn func(t *testing.T, o Options)) {
	for _, m := range many {
		for _, s := range []Strategy{Hybrid, Block} {
			for _, again := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v/%v/redeliver=%v", m, s, again), func(t *testing.T) {
					fn(t, Options{Mode: m, Strategy: s, Redeliver: again, Capacity: minCapacity})
				})
			}
		}
	}
}

// ends are how many producers and consumers a test of that mode has.
func (m Mode) ends(n int) (producers, consumers int) {
	producers, consumers = n, n
	if m == SPMC {
		producers = 1
	}
	if m == MPSC {
		consumers = 1
	}
	return producers, consumers
}

// numbered is message n of producer p.
func numbered(p, n, size int) []byte {
	b := make([]byte, max(size, 16))
	binary.LittleEndian.PutUint64(b, uint64(p))
	binary.LittleEndian.PutUint64(b[8:], uint64(n))
	for i := 16; i < len(b); i++ {
		b[i] = byte(p + n + i)
	}
	return b
}

func numbers(t require.TestingT, b []byte) (p, n int) {
	require.GreaterOrEqual(t, len(b), 16)
	p, n = int(binary.LittleEndian.Uint64(b)), int(binary.LittleEndian.Uint64(b[8:]))
	for i := 16; i < len(b); i++ {
		if b[i] != byte(p+n+i) {
			require.Equal(t, byte(p+n+i), b[i], "message %d of %d, byte %d of %d", n, p, i, len(b))
		}
	}
	return p, n
}

var manySizes = []int{16, 8, 100, 1024, 1025, 5000, 20000, 60000}

// Several producers and consumers in one process: each message arrives once, those of
// one producer in order at each consumer.
func TestManyExchange(t *testing.T) {
	eachMany(t, func(t *testing.T, o Options) {
		const each = 2000
		r := ring(t, &o)
		producers, consumers := o.Mode.ends(3)
		ctx := bounded(t)
		var sent, received sync.WaitGroup
		for i := range producers {
			p := producer(t, r)
			sent.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(i), 1))
				for n := 0; n < each; n++ {
					size := manySizes[rnd.IntN(len(manySizes))]
					var err error
					switch n % 3 {
					case 0:
						err = p.Send(ctx, numbered(i, n, size))
					case 1:
						var b []byte
						if b, err = p.Reserve(ctx, max(size, 16)+8); err == nil {
							err = p.Commit(copy(b, numbered(i, n, size)))
						}
					case 2:
						batch := [][]byte{numbered(i, n, 16), numbered(i, n+1, size), numbered(i, n+2, 16)}
						var k int
						k, err = p.SendBatch(ctx, batch)
						require.Equal(t, 3, k)
						n += 2
					}
					require.NoError(t, err)
				}
			})
		}
		var mu sync.Mutex
		seen := map[[2]int]bool{}
		for range consumers {
			c := consumer(t, r)
			received.Go(func() {
				last := map[int]int{}
				got := func(b []byte) {
					p, n := numbers(t, b)
					if l, ok := last[p]; ok {
						require.Greater(t, n, l, "of producer %d", p)
					}
					last[p] = n
					mu.Lock()
					defer mu.Unlock()
					require.False(t, seen[[2]int{p, n}], "twice")
					seen[[2]int{p, n}] = true
				}
				bufs := make([][]byte, 8)
				for k := 0; ; k++ {
					var err error
					var b []byte
					switch k % 3 {
					case 0:
						if b, err = c.Recv(ctx, nil); err == nil {
							got(b)
						}
					case 1:
						if b, err = c.Next(ctx); err == nil {
							got(b)
							c.Release()
						}
					case 2:
						var n int
						n, err = c.RecvBatch(ctx, bufs)
						for _, b := range bufs[:n] {
							got(b)
						}
					}
					if err == io.EOF {
						return
					}
					require.NoError(t, err)
				}
			})
		}
		sent.Wait()
		p, err := r.Producer()
		if err != nil {
			require.ErrorIs(t, err, ErrBusy)
			require.Equal(t, SPMC, o.Mode)
			r.ends[0].sealAll(r)
		} else {
			require.NoError(t, p.CloseSend())
		}
		received.Wait()
		mu.Lock()
		defer mu.Unlock()
		total := 0
		for i := range producers {
			for n := 0; seen[[2]int{i, n}]; n++ {
				total++
			}
		}
		require.Equal(t, len(seen), total)
		require.GreaterOrEqual(t, total, producers*each)
	})
}

func (e *end) sealAll(r *Ring) { r.many.endStream() }

var _ = testproc.Helper
var _ = context.Background
