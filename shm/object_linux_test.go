package shm_test

import (
	"context"
	"encoding/binary"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

type account struct {
	mu      semaphore.Mutex
	balance int64
	ledger  [3]struct {
		n  int32
		mu semaphore.Mutex
	}
	hits atomic.Int64
}

var _ = testproc.Helper("deposit", func(c *testproc.Child) {
	obj, err := shm.OpenObject[account](context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	acct := obj.Ptr()
	for range 1000 {
		require.NoError(c, acct.mu.Lock())
		acct.balance++
		acct.mu.Unlock()
		acct.hits.Add(1)
	}
})

func TestObjectAcrossProcesses(t *testing.T) {
	name := newName(t)
	obj := must[*shm.Object[account]](t)(shm.NewObject[account](name, nil))
	var children []*testproc.Proc
	for range 3 {
		children = append(children, testproc.Start(t, "deposit", testproc.Args(name)))
	}
	for _, c := range children {
		c.Succeed()
	}
	require.Equal(t, int64(3000), obj.Ptr().balance)
	require.Equal(t, int64(3000), obj.Ptr().hits.Load())
}

func TestObjectPreparesItsLocksForC(t *testing.T) {
	obj := must[*shm.Object[account]](t)(shm.NewObject[account]("", nil))
	last := &obj.Ptr().ledger[2]
	require.Zero(t, last.n)
	b, err := os.ReadFile("/proc/self/fd/" + itoa(int(obj.File().Fd())))
	require.NoError(t, err)
	const kind, robustShared = 16, 0x90 // within glibc's pthread_mutex_t
	for _, off := range []int{0, 64, 120, 176} {
		at := shmfile.HeaderSize + off + kind
		require.Equal(t, uint32(robustShared), binary.LittleEndian.Uint32(b[at:]), "mutex at %d", off)
		binary.LittleEndian.PutUint32(b[at:], 0)
	}
	b = b[:binary.LittleEndian.Uint64(b[96:])] // behind that is what describes the type
	require.Equal(t, make([]byte, len(b)-shmfile.HeaderSize), b[shmfile.HeaderSize:], "and nothing else")
	require.NoError(t, last.mu.Lock())
	last.mu.Unlock()
}

func TestObjectOfNothing(t *testing.T) {
	name := newName(t)
	must[*shm.Object[struct{}]](t)(shm.NewObject[struct{}](name, nil))
	obj := must[*shm.Object[struct{}]](t)(shm.OpenObject[struct{}](t.Context(), name, nil))
	require.NotNil(t, obj.Ptr())
	require.Nil(t, new(shm.Object[int]).Ptr())
}

func TestObjectNeedsAPlainType(t *testing.T) {
	type link struct{ Next *link }
	name := newName(t)
	var bad *shm.TypeError
	_, err := shm.NewObject[link](name, nil)
	require.ErrorAs(t, err, &bad)
	require.Equal(t, "link.Next", bad.Path)
	require.Equal(t, "pointer", bad.Reason)
	_, err = shm.OpenObject[link](t.Context(), name, nil)
	require.ErrorAs(t, err, &bad)
	_, err = shm.NewValue(name, "text", nil)
	require.ErrorAs(t, err, &bad)
	_, err = shm.OpenValue[[]byte](t.Context(), name, nil)
	require.ErrorAs(t, err, &bad)
	_, err = shm.NewArray[map[int]int](name, 3, nil)
	require.ErrorAs(t, err, &bad)
	_, err = shm.OpenArray[any](t.Context(), name, nil)
	require.ErrorAs(t, err, &bad)
	_, err = shm.NewValue(name, account{}, nil)
	require.ErrorAs(t, err, &bad, "a lock must not be copied")
	require.NoFileExists(t, shmDir+name)
}
