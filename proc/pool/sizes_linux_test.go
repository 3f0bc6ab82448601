package pool_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc/pool"
)

// MaxMessage is about each argument and result, not about the messages in which they
// go, nor about errors.
func TestSmallMaxMessage(t *testing.T) {
	p := newPool(t, 1, &pool.Options{MaxMessage: 100})
	ctx := watchdog(t)
	r, err := square.MapSlice(ctx, p, slices.Collect(span(1000)), &pool.MapOptions{Chunk: 500})
	require.NoError(t, err)
	require.Equal(t, squares(1000), r)
	r, err = square.Map(ctx, p, span(20000), nil)
	require.NoError(t, err)
	require.Equal(t, squares(20000), r)
	long := strings.Repeat("x", 100)
	s, err := echoText.Apply(ctx, p, long)
	require.NoError(t, err)
	require.Equal(t, long, s)
	_, err = echoText.Apply(ctx, p, long+"x")
	require.ErrorIs(t, err, pool.ErrArgument)
	ss, err := echoText.MapSlice(ctx, p, []string{long, long, long + "x"}, &pool.MapOptions{Chunk: 3})
	require.ErrorIs(t, err, pool.ErrArgument)
	require.Equal(t, []string{long, long, ""}, ss)
	_, err = blob.Apply(ctx, p, 101)
	require.ErrorIs(t, err, pool.ErrResult)
	_, err = fails.Apply(ctx, p, long)
	require.ErrorContains(t, err, long)
	require.Zero(t, p.Stats().Died)
}
