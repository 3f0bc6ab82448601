//go:build !explore

package semaphore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
)

var _ = testproc.Helper("full", func(c *testproc.Child) {
	pages := c.RequireNoSpace(shmfile.ErrNoSpace, func() (func(), error) {
		n, err := Open("full", &OpenOptions{Create: true, Value: 1})
		return func() {
			require.NoError(c, n.TryAcquire(1))
			require.NoError(c, n.Close())
			require.NoError(c, n.Unlink())
		}, err
	})
	require.NotZero(c, pages)
})

// X10
func TestFullDevShm(t *testing.T) {
	testproc.Start(t, "full", testproc.SmallShm(t, 1<<20)).Succeed()
}
