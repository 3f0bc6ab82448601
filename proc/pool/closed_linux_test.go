package pool_test

import (
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc/pool"
)

// An Imap whose pool is closed ends, also while its window is full of what was never
// submitted, or has not.
func TestImapOfClosedPool(t *testing.T) {
	p := newPool(t, 1, nil)
	p.Close()
	for _, o := range []*pool.MapOptions{{Window: 5, Chunk: 10}, {Window: 1, Chunk: 10}, {Chunk: 10}, nil} {
		testproc.Within(t, func() {
			n := 0
			for _, err := range square.Imap(watchdog(t), p, span(100), o) {
				n++
				require.ErrorIs(t, err, pool.ErrClosed)
			}
			require.Equal(t, 1, n)
		})
	}
}

// So does one that finds an argument that cannot travel behind what the closed pool refused.
func TestImapOfClosedPoolWithBadArgument(t *testing.T) {
	p := newPool(t, 1, nil)
	var in iter.Seq[reluctant] = func(yield func(reluctant) bool) {
		if !yield(reluctant{"fine"}) {
			return
		}
		p.Close()
		_ = yield(reluctant{"refuse"}) && yield(reluctant{"fine"})
	}
	testproc.Within(t, func() {
		var last error
		for _, err := range echo.Imap(watchdog(t), p, in, &pool.MapOptions{Chunk: 10, Window: 10}) {
			last = err
		}
		require.ErrorIs(t, last, pool.ErrClosed)
	})
}
