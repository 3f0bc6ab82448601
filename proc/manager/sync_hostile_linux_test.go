package manager_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc/manager"
)

// Garbage from a client is an error of its call: nothing panics, nothing waits for ever, and
// nothing is left.
func TestSyncGarbage(t *testing.T) {
	kinds := []string{"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier", "Queue", "JoinableQueue"}
	require.Subset(t, manager.Kinds(), kinds)
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		garbage := func(uint16) []byte {
			b := make([]byte, rand.IntN(12))
			for i := range b {
				b[i] = byte(rand.IntN([]int{3, 256}[rand.IntN(2)]))
			}
			return b
		}
		for _, kind := range kinds {
			for _, create := range [][]byte{{}, {0}, {1}, {1, 0}, {2, 1}, garbage(0), {255, 255, 255, 255, 255, 255, 255, 255, 255, 1}} {
				for range 4 {
					require.NoError(t, manager.Garbage(ctx, m, kind, create, garbage), "%s %v", kind, create)
				}
			}
		}
		nothingLeft(t, m)
		for {
			n, err := manager.Involvements(ctx, m)
			require.NoError(t, err, "%d involvements are left", n)
			if n == 0 {
				break
			}
		}
	})
}
