package pool_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc/pool"
)

// For ever, and a time of grace more, is for ever.
func TestEndlessTimeout(t *testing.T) {
	p := newPool(t, 1, &pool.Options{Grace: time.Hour})
	name, g := newGate(t)
	f := hold.With(pool.Limits{Timeout: math.MaxInt64}).Go(watchdog(t), p, atGate{name, 1})
	await(t, "it runs, or has ended", func() bool { return g.Begun.Load() == 1 || f.State() == pool.Finished })
	g.Open.Set()
	_, err := f.Get(watchdog(t))
	require.NoError(t, err)
}
