package shm_test

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// Each kind of lock gets its own kind of glibc's, also side by side.
func TestObjectPreparesRecursiveLocksForC(t *testing.T) {
	type locks struct {
		First semaphore.RecursiveMutex
		Plain semaphore.Mutex
		more  [2]struct {
			n  int64
			mu semaphore.RecursiveMutex
		}
	}
	obj := must[*shm.Object[locks]](t)(shm.NewObject[locks]("", nil))
	b, err := os.ReadFile("/proc/self/fd/" + itoa(int(obj.File().Fd())))
	require.NoError(t, err)
	const kind = 16 // within glibc's pthread_mutex_t
	for off, want := range map[int]uint32{0: 0x91, 48: 0x90, 104: 0x91, 160: 0x91} {
		at := shmfile.HeaderSize + off + kind
		require.Equal(t, want, binary.LittleEndian.Uint32(b[at:]), "lock at %d", off)
		binary.LittleEndian.PutUint32(b[at:], 0)
	}
	b = b[:binary.LittleEndian.Uint64(b[96:])] // behind that is what describes the type
	require.Equal(t, make([]byte, len(b)-shmfile.HeaderSize), b[shmfile.HeaderSize:], "and nothing else")
	h := obj.Ptr().more[1].mu.Holder()
	require.NoError(t, h.Lock())
	require.NoError(t, h.Lock())
	require.ErrorIs(t, obj.Close(), shm.ErrBusy)
	h.Unlock()
	h.Unlock()
}

func TestValueRefusesRecursiveLocks(t *testing.T) {
	type locked struct{ Mu semaphore.RecursiveMutex }
	_, err := shm.NewValue("", locked{}, nil)
	var bad *shm.TypeError
	require.ErrorAs(t, err, &bad, "a lock must not be copied")
}
