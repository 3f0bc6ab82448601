//go:build !explore

package semaphore

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// semUse does everything with s once. Each call has to return, with success or
// with an error of the documented ones.
func semUse(t testing.TB, s *Semaphore) {
	check := func(err error) {
		for _, e := range []error{nil, ErrNoPermits, ErrOverflow, ErrNotInitialized, ErrCorrupt, ErrInvalid, context.DeadlineExceeded} {
			if errors.Is(err, e) {
				return
			}
		}
		t.Errorf("undocumented error: %v", err)
	}
	_, _ = s.Value(), s.String()
	for _, n := range []int{1, 3, -1} {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
		check(s.TryAcquire(n))
		check(s.Acquire(ctx, n))
		check(s.Release(n))
		cancel()
	}
}

func FuzzSemaphore(f *testing.F) {
	add := func(value, waiters, private, max uint32, turn uint64) {
		b := make([]byte, 0, semSize)
		for _, w := range []uint32{value, waiters, private, 0, max, 0} {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		f.Add(binary.LittleEndian.AppendUint64(b, turn))
	}
	add(0, 0, 0, 0, 0)
	add(0, 0, semShared, 0, 0)
	add(1, 0, semShared, 1, 0)
	add(2, 1<<31, semShared, 1, 1)
	add(0, 1<<32-1, semShared, 5, 1<<63)
	add(1<<31, 0, semShared, 0, 0)
	add(semMax, 7, semShared, semMax, ^uint64(0))
	add(0, 0, semShared, 1<<31, uint64(os.Getpid()))
	add(0, 0, semShared, 0, uint64(os.Getpid())|uint64(os.Getpid())<<22)
	add(1<<32-1, 1<<32-1, 1<<32-1, 1<<32-1, ^uint64(0))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, place := range places {
			m, _ := newSem(t, place, 0, 0)
			copy(bytesOfSemaphore(&m.s), b)
			semUse(t, &m.s)
			require.NoError(t, m.s.Init(1, 1)) // and a new start is one
			require.NoError(t, m.s.Acquire(t.Context(), 1))
		}
	})
}

// Garbage that changes while we run.
func TestSemaphoreGarbageWhileRunning(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newSem(t, place, 0, 0)
		s := &m.s
		var stop atomic.Bool
		var blows atomic.Uint32
		hostile := start(func() error {
			for !stop.Load() {
				blows.Add(1)
				switch rand.IntN(5) {
				case 0:
					s.sem.data.Store(rand.Uint64())
				case 1:
					s.sem.data.Store(rand.Uint64() & 3)
				case 2:
					s.sem.private.Store(semShared * rand.Uint32N(2))
				case 3:
					s.sem.max.Store(rand.Uint32() >> (rand.UintN(2) * 31))
				case 4:
					s.sem.turn.Word().Store(rand.Uint32() * rand.Uint32N(2))
				}
				time.Sleep(time.Microsecond) // sleep: leave the victim some time between two blows
			}
			return nil
		})
		for blows.Load() < 3000 {
			semUse(t, s)
		}
		stop.Store(true)
		require.NoError(t, result(t, hostile))
		require.NoError(t, s.Init(1, 1))
		require.NoError(t, s.Acquire(t.Context(), 1))
	})
}

// A waiter whose semaphore is overwritten with zeros, as in closed memory, hears
// of it.
func TestSemaphoreVanishes(t *testing.T) {
	m, _ := newSem(t, "near", 0, 0)
	for _, n := range []int{1, 2} {
		waits := start(func() error { return m.s.Acquire(context.Background(), n) })
		await(t, func() bool { return semSleepers(&m.s) == 1 })
		clear(bytesOfSemaphore(&m.s))
		require.ErrorIs(t, result(t, waits), ErrNotInitialized)
		require.NoError(t, m.s.Init(0, 0))
	}
}
