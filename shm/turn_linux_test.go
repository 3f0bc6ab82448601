package shm_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/shm"
)

// What a Store has confirmed is there, however close Close comes: it waits for those
// that are under way, and the others get ErrClosed.
func TestCloseMeetsStores(t *testing.T) {
	kept := must[*shm.Value[block]](t)(shm.NewValue("", blockOf(0), nil))
	for range 200 {
		var v shm.Value[block]
		arrive(t, "shm.value", kept.File(), v.UnmarshalBinary)
		require.NoError(t, kept.Store(blockOf(0)))
		var all sync.WaitGroup
		started := make(chan struct{}, 2)
		for range 2 {
			all.Go(func() {
				for i := 0; ; i++ {
					err := v.Update(context.Background(), func(b *block) error { *b = blockOf(b[0] + 1); return nil })
					if err == nil {
						err = v.Store(load(t, kept)) // another one's number may come between
					}
					if errors.Is(err, shm.ErrClosed) {
						return
					}
					if err != nil {
						panic(err)
					}
					if i == 0 {
						started <- struct{}{}
					}
				}
			})
		}
		<-started
		for err := v.Close(); err != nil; err = v.Close() { // while one of them holds the lock
			require.ErrorIs(t, err, shm.ErrBusy)
		}
		all.Wait()
		whole(t, load(t, kept))
		require.ErrorIs(t, v.Store(blockOf(1)), shm.ErrClosed)
	}
}

// One goroutine stores: each number that was confirmed is the last one.
func TestCloseLosesNoStore(t *testing.T) {
	kept := must[*shm.Value[block]](t)(shm.NewValue("", blockOf(0), nil))
	for range 200 {
		var v shm.Value[block]
		arrive(t, "shm.value", kept.File(), v.UnmarshalBinary)
		confirmed := make(chan uint64, 1)
		started := make(chan struct{})
		go func() {
			for n := uint64(1); ; n++ {
				if err := v.Store(blockOf(n)); err != nil {
					confirmed <- n - 1
					return
				}
				if n == 10 {
					close(started)
				}
			}
		}()
		<-started
		for err := v.Close(); err != nil; err = v.Close() {
			require.ErrorIs(t, err, shm.ErrBusy)
		}
		require.Equal(t, <-confirmed, whole(t, load(t, kept)))
	}
}
