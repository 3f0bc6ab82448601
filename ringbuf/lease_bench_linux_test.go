package ringbuf

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkLease sends a message, receives it and is done with it, while so many others
// are held; and with somebody who waits until all are finished.
func BenchmarkLease(b *testing.B) {
	for _, held := range []int{0, 1000, 60_000, 1_000_000} {
		for k := range 4 {
			joiner, grow := k%2 == 1, k > 1
			if held > 1<<16 && !grow {
				continue
			}
			b.Run(fmt.Sprintf("held=%d/joiner=%v/grow=%v", held, joiner, grow), func(b *testing.B) {
				o := &Options{Leases: true, Redeliver: true, Capacity: 16 << 20, OnPeerDeath: Wait, Grow: grow}
				if grow {
					o.Capacity = 0
				}
				q := queue(b, o)
				ctx := bounded(b)
				msg := make([]byte, 64)
				for range held {
					require.NoError(b, q.Send(ctx, msg))
					_, err := q.Lease(ctx)
					require.NoError(b, err)
				}
				if joiner {
					go q.WaitFinished(ctx)
				}
				b.ReportAllocs()
				for b.Loop() {
					err := q.Send(ctx, msg)
					l, err2 := q.Lease(ctx)
					if err != nil || err2 != nil || l.Done() != nil {
						b.Fatal(err, err2)
					}
				}
			})
		}
	}
}

// BenchmarkLeaseStream sends as fast as can be to who is done with one message after the
// other: the producer is as far ahead as it can be.
func BenchmarkLeaseStream(b *testing.B) {
	for _, capacity := range []int{1 << 16, 4 << 20, 16 << 20} {
		b.Run(fmt.Sprint(capacity), func(b *testing.B) {
			q := queue(b, &Options{Leases: true, Grow: capacity > 4<<20, Capacity: capacity, OnPeerDeath: Wait})
			d, err := OpenQueueFile(dup(b, q.File()))
			require.NoError(b, err)
			b.Cleanup(func() { d.Close() })
			ctx := bounded(b)
			msg := make([]byte, 16)
			for q.TrySend(msg) == nil {
			}
			go func() {
				for {
					l, err := d.Lease(ctx)
					if err != nil {
						return
					}
					l.Done()
				}
			}()
			for b.Loop() {
				if err := q.Send(ctx, msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
