package proc_test

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/proc"
)

// Wait for many connections of which one has something, and for the same when it comes
// only after the sleep.
func BenchmarkWait(b *testing.B) {
	for _, n := range []int{2, 1000} {
		var all []proc.Waitable
		var last *proc.Conn
		for range n {
			x, y := pipe(b, &proc.PipeOptions{Capacity: 64 << 10})
			all, last = append(all, x), y
		}
		x := all[n-1].(*proc.Conn)
		ctx := b.Context()
		once := func(b *testing.B) {
			if ready, err := proc.Wait(ctx, all...); err != nil || len(ready) != 1 {
				b.Fatal(ready, err)
			}
		}
		b.Run(fmt.Sprintf("%d/ready", n), func(b *testing.B) {
			if err := last.SendBytes(ctx, []byte("x")); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				once(b)
			}
			if _, err := x.RecvBytes(ctx, 0); err != nil {
				b.Fatal(err)
			}
		})
		b.Run(fmt.Sprintf("%d/sleep", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				go last.SendBytes(ctx, []byte("x"))
				once(b)
				if _, err := x.RecvBytes(ctx, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
