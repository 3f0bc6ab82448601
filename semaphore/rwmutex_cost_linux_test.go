//go:build !explore

package semaphore

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// rwUncontended is every operation on an RWMutex for which nobody has to wait.
func rwUncontended(rw *RWMutex, ctx context.Context) error {
	for _, lock := range []func(*RWMutex) error{
		(*RWMutex).RLock, (*RWMutex).TryRLock, func(rw *RWMutex) error { return rw.RLockContext(ctx) },
	} {
		if err := lock(rw); err != nil {
			return err
		}
		if err := rw.TryLock(); err != ErrLocked {
			return fmt.Errorf("TryLock where one reads: %w", err)
		}
		rw.RUnlock()
	}
	for _, lock := range []func(*RWMutex) error{
		(*RWMutex).Lock, (*RWMutex).TryLock, func(rw *RWMutex) error { return rw.LockContext(ctx) },
		func(rw *RWMutex) error { return rw.LockRepair(ctx, nil) },
	} {
		if err := lock(rw); err != nil {
			return err
		}
		if err := rw.TryLock(); err != ErrLocked {
			return fmt.Errorf("TryLock where one writes: %w", err)
		}
		_, _ = rw.Owner()
		rw.Unlock()
	}
	_ = rw.Readers()
	return nil
}

func TestRWMutexUncontendedAllocatesNothing(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := rwNew(t, place)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		require.NoError(t, rwUncontended(&m.rw, ctx))
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if err := rwUncontended(&m.rw, ctx); err != nil {
				panic(err)
			}
		}))
		require.NoError(t, m.rw.Lock())
		require.Zero(t, testing.AllocsPerRun(50, func() {
			if err := m.rw.TryRLock(); err != ErrLocked {
				panic(err)
			}
		}))
		m.rw.Unlock()
	})
}

// Readers of different processes do not slow each other down: what one writes when
// it locks and unlocks is its own seat's line, and nothing in the memory that it
// keeps to itself.
func TestRWMutexReadersWriteTheirOwnLines(t *testing.T) {
	f := newFile(t, int64(unsafe.Sizeof(rwMemory{})))
	for i := range rwNear + 3 {
		m, _ := rwAttach(t, f, "near")
		rw := &m.rw
		require.NoError(t, rw.RLock())
		rw.RUnlock()
		private := unsafe.Slice((*byte)(mem.Shadow(unsafe.Pointer(rw))), unsafe.Sizeof(*rw))
		shared, shadow := bytes.Clone(rwBytes(rw)), bytes.Clone(private)
		require.NoError(t, rw.RLock())
		off := int(uintptr(unsafe.Pointer(&rw.seat(i).word)) - uintptr(unsafe.Pointer(rw)))
		for at, b := range rwBytes(rw) {
			require.True(t, b == shared[at] || at >= off && at < off+8, "process %d, offset %d", i, at)
		}
		require.NotEqual(t, shared, rwBytes(rw))
		rw.RUnlock()
		require.Equal(t, shared, rwBytes(rw))
		require.Equal(t, shadow, private)
		if i < rwNear {
			require.Zero(t, (off-48)%mem.Line)
		}
	}
}

// rw.calls makes the system calls that the test looks for between two getppid.
var _ = testproc.Helper("rw.calls", func(c *testproc.Child) {
	m, _, _ := rwMap(c, c.Files[0], c.Args[0])
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	require.NoError(c, rwUncontended(&m.rw, ctx)) // starts the keeper, takes a seat
	c.Traced(tracedRounds, func() error { return rwUncontended(&m.rw, ctx) })
})

// Operations for which nobody has to wait make no system call.
func TestRWMutexSystemCalls(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		_, f := rwNew(t, place)
		noSystemCalls(t, "rw.calls", f, place)
	})
}

func BenchmarkRWMutexRead(b *testing.B)        { rwBenchRead(b, "near") }
func BenchmarkRWMutexReadForeign(b *testing.B) { rwBenchRead(b, "foreign") }

func rwBenchRead(b *testing.B, place string) {
	m, _ := rwNew(b, place)
	rw := &m.rw
	for b.Loop() {
		if err := rw.RLock(); err != nil {
			b.Fatal(err)
		}
		rw.RUnlock()
	}
}

func BenchmarkRWMutexWrite(b *testing.B) {
	m, _ := rwNew(b, "near")
	rw := &m.rw
	for b.Loop() {
		if err := rw.Lock(); err != nil {
			b.Fatal(err)
		}
		rw.Unlock()
	}
}

// Two readers with a seat each, as two processes have.
func BenchmarkRWMutexReadParallel(b *testing.B) {
	f := newFile(b, 3*4096)
	next := make(chan *RWMutex, 64)
	for range 64 {
		m, _ := rwAttach(b, f, "near")
		next <- &m.rw
	}
	b.RunParallel(func(pb *testing.PB) {
		rw := <-next
		for pb.Next() {
			if rw.RLock() != nil {
				return
			}
			rw.RUnlock()
		}
	})
}

func BenchmarkRWMutexReadGoroutines(b *testing.B) {
	m, _ := rwNew(b, "near")
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if m.rw.RLock() != nil {
				return
			}
			m.rw.RUnlock()
		}
	})
}

func BenchmarkSyncRWMutexRead(b *testing.B) {
	var mu sync.RWMutex
	for b.Loop() {
		mu.RLock()
		//lint:ignore SA2001 it is the cost of the lock alone that counts
		mu.RUnlock()
	}
}
