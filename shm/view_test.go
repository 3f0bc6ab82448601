package shm_test

import (
	"math"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/shm"
)

type point struct {
	id   uint32
	x, y float64
}

func TestView(t *testing.T) {
	s := segment(t, "", 4096)
	p, err := shm.View[point](s, 8)
	require.NoError(t, err)
	*p = point{7, 1, 2}
	require.Equal(t, byte(7), s.Bytes()[8])

	all, err := shm.ViewSlice[point](s, 8, 3)
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, point{7, 1, 2}, all[0])

	hits, err := shm.View[atomic.Int64](s, 4088)
	require.NoError(t, err)
	require.Equal(t, int64(1), hits.Add(1))

	none, err := shm.ViewSlice[int64](s, 4096, 0)
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = shm.View[struct{}](s, 4096)
	require.NoError(t, err)
}

func TestViewIsChecked(t *testing.T) {
	s := segment(t, "", 4096)
	for _, c := range []struct {
		off, n int
		want   error
	}{
		{-8, 1, shm.ErrRange},
		{4089, 1, shm.ErrRange},
		{4096, 1, shm.ErrRange},
		{4097, 0, shm.ErrRange},
		{0, 513, shm.ErrRange},
		{8, 512, shm.ErrRange},
		{0, -1, shm.ErrRange},
		{0, math.MaxInt, shm.ErrRange},
		{8, math.MaxInt/8 + 1, shm.ErrRange},
		{math.MaxInt, 1, shm.ErrRange},
		{math.MinInt, 1, shm.ErrRange},
		{4, 1, shm.ErrUnaligned},
		{1, 1, shm.ErrUnaligned},
	} {
		_, err := shm.ViewSlice[int64](s, c.off, c.n)
		require.ErrorIs(t, err, c.want, "%d at %d", c.n, c.off)
	}
	_, err := shm.View[int64](s, 4090)
	require.ErrorIs(t, err, shm.ErrRange)
	_, err = shm.View[int64](s, 12)
	require.ErrorIs(t, err, shm.ErrUnaligned)

	var bad *shm.TypeError
	_, err = shm.View[struct{ s string }](s, 0)
	require.ErrorAs(t, err, &bad)
	require.Equal(t, "struct { s string }.s", bad.Path)
	_, err = shm.ViewSlice[*int](s, 0, 1)
	require.ErrorAs(t, err, &bad)
}
