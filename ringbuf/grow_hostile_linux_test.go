package ringbuf

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Garbage in the words of chunks, in what is before and in records, while the ends of a
// ring with sparse lanes work: each call ends, and none panics.
func TestGrowGarbage(t *testing.T) {
	src := rand.New(rand.NewPCG(3, 9))
	for range 300 {
		o := least()
		o.Producers, o.Consumers, o.Strategy, o.Redeliver = 2, 2, strategies[src.IntN(3)], src.IntN(2) == 0
		r, err := New("", o)
		require.NoError(t, err)
		p, c := producer(t, r), consumer(t, r)
		g := r.many.geo
		words := manyWords(g)
		for i := range g.lanes {
			words = append(words, sharedHead+g.seats*seatSize+i*laneSize+264)
			for range 20 { // as often as all the others together
				for k := range g.capacity / g.chunk {
					words = append(words, g.at(i)+g.words+8*k, g.at(i)+g.slots+g.chunk*k, g.at(i)+g.slots+g.chunk*(k+1)-8)
					if g.fates > 0 {
						words = append(words, g.at(i)+g.words+g.capacity/g.chunk*8+8*k, g.at(i)+g.slots+g.chunk*(k+1)-8*g.fates+8*src.IntN(g.fates/20))
					}
				}
			}
		}
		known := func(err error) { require.True(t, manyExpected(err), "%v", err) }
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
		for range 3 {
			for range src.IntN(100) {
				known(p.TrySend(make([]byte, src.IntN(chunkMost))))
				if src.IntN(3) == 0 {
					_, err := c.TryRecv(nil)
					known(err)
				}
			}
			for range 1 + src.IntN(4) {
				at := words[src.IntN(len(words))]
				x := src.Uint64() >> src.IntN(64)
				switch src.IntN(3) {
				case 0:
					x = binary.NativeEndian.Uint64(r.many.bytes[at:]) + x%64 - 32
				case 1: // another phase or freer
					x = binary.NativeEndian.Uint64(r.many.bytes[at:]) ^ x&0xfff
				}
				binary.NativeEndian.PutUint64(r.many.bytes[at:], x)
			}
			for range src.IntN(100) {
				switch src.IntN(5) {
				case 0:
					known(p.Send(ctx, make([]byte, src.IntN(2*chunkMost))))
				case 1:
					_, err := p.SendBatch(ctx, [][]byte{make([]byte, src.IntN(100)), make([]byte, chunkMost)})
					known(err)
				case 2:
					_, err := c.Recv(ctx, nil)
					known(err)
				case 3:
					_, err := c.RecvBatch(ctx, make([][]byte, 50))
					known(err)
				case 4:
					_, err := c.Next(ctx)
					known(err)
					c.Release()
				}
			}
			if src.IntN(2) == 0 {
				require.NoError(t, p.Close())
				q, err := r.Producer()
				known(err)
				if err == nil {
					p = q
				}
			}
		}
		cancel()
		require.NotEmpty(t, r.String())
		quiesce(r)
		require.NoError(t, r.Close())
	}
}
