package shm_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

var _ = testproc.Helper("full", func(c *testproc.Child) {
	ctx := context.Background()
	for kind, k := range constructors {
		for _, o := range []*shm.Options{{}, {Exist: shm.ExistOpen}, {Exist: shm.ExistReplace}, {Huge: shm.HugeTry}} {
			pages := c.RequireNoSpace(shm.ErrNoSpace, func() (func(), error) {
				h, err := k.create("full", o)
				return func() {
					if s, ok := h.(*shm.Segment); ok {
						clear(s.Bytes()) // all of the memory is there
						require.ErrorIs(c, s.Grow(ctx, 1<<20), shm.ErrNoSpace)
						require.Equal(c, 10000, s.Size())
					}
					require.NoError(c, h.Close())
					require.NoError(c, shm.Unlink("full"))
				}, err
			})
			require.NotZero(c, pages, kind)
		}
	}

	// A sparse one needs nothing; where its memory ends, what copies says so.
	c.RequireNoSpace(shm.ErrNoSpace, func() (func(), error) {
		s, err := shm.Create("full", 1<<30, &shm.Options{Sparse: true})
		return func() {
			_, err := s.WriteAt([]byte("text"), 1<<20)
			require.ErrorIs(c, err, shm.ErrNoSpace)
			_, err = s.WriteAt([]byte("text"), 1<<30-1)
			require.ErrorIs(c, err, shm.ErrRange)
			require.ErrorIs(c, s.Reserve(0, 1), shm.ErrNoSpace)
			require.Error(c, s.Prefault())
			require.NoError(c, s.Close())
			require.NoError(c, shm.Unlink("full"))
		}, err
	})

	// What has no name does not need /dev/shm.
	empty := c.FillShm(0)
	for _, k := range constructors {
		h, err := k.create("", &shm.Options{})
		require.NoError(c, err)
		require.NoError(c, h.Close())
	}
	empty()
})

// X10, for every constructor, and with each amount of room up to enough.
func TestFullDevShm(t *testing.T) {
	testproc.Start(t, "full", testproc.SmallShm(t, 1<<20)).Succeed()
}
