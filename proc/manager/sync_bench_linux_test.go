package manager_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc/manager"
)

func BenchmarkLock(b *testing.B) {
	m := started(b, nil)
	ctx := b.Context()
	l, err := manager.NewLock(ctx, m)
	require.NoError(b, err)
	q, err := manager.NewQueue[int](ctx, m, 0)
	require.NoError(b, err)
	b.Run("Acquire and Release", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if l.Acquire(ctx) != nil || l.Release(ctx) != nil {
				b.Fatal("lock")
			}
		}
	})
	b.Run("Put and Get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if q.Put(ctx, 1) != nil {
				b.Fatal("put")
			}
			if _, err := q.Get(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}
