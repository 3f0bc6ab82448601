package pool_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc/pool"
)

var secondFails = pool.RegisterInit("second fails", func(ctx context.Context, gate string) error {
	o, err := openGate(ctx, gate)
	if err != nil {
		return err
	}
	defer o.Close()
	if o.Ptr().Begun.Add(1) == 1 {
		return nil
	}
	return errors.Join(o.Ptr().Open.Wait(ctx), errOdd)
})

// When an initializer breaks the pool, a chunk that one worker may do only a part of ends.
func TestBrokenWithHalfAChunk(t *testing.T) {
	ready, g := newGate(t)
	p := newPool(t, 2, &pool.Options{MaxTasks: 2, Init: secondFails(ready)})
	ctx := watchdog(t)
	name, h := newGate(t)
	type end struct {
		r   [][2]int
		err error
	}
	ended := make(chan end, 1)
	go func() {
		in := []atGate{{name, 0}, {name, 1}, {name, 2}, {name, 3}, {name, 4}}
		r, err := hold.Map(ctx, p, slices.Values(in), &pool.MapOptions{Chunk: 5})
		ended <- end{r, err}
	}()
	await(t, "the first runs", func() bool { return h.Begun.Load() == 1 })
	f := square.Go(ctx, p, 1) // which wants another worker
	g.Open.Set()
	await(t, "it is broken", func() bool {
		err := square.Go(ctx, p, 1).Err()
		return errors.Is(err, pool.ErrInit)
	})
	h.Open.Set()
	testproc.Within(t, func() {
		e := <-ended
		require.ErrorIs(t, e.err, pool.ErrInit)
		_, _ = f.Get(ctx)
	})
	p.Close()
	require.NoError(t, p.Join(ctx))
}
