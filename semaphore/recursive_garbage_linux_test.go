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

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/stretchr/testify/require"
)

// recursiveUse does everything once. Each call returns, with success or one of
// the documented errors, and a holder believes itself alone.
func recursiveUse(t testing.TB, m *RecursiveMutex) {
	soon := func() context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	_ = m.String()
	_, _ = m.Owner()
	h := m.Holder()
	require.PanicsWithValue(t, recursiveNotHeld, h.Unlock, "whatever the bytes say")
	_, err := h.release()
	require.ErrorIs(t, err, ErrNotHeld)
	for _, lock := range []func() error{
		h.TryLock,
		func() error { return h.LockContext(soon()) },
		func() error { return h.LockRepair(soon(), func() error { return os.ErrInvalid }) },
		func() error { return h.LockRepair(soon(), func() error { return nil }) },
	} {
		switch err := lock(); {
		case err == nil:
			require.NoError(t, h.Lock())
			require.Equal(t, 2, h.Depth())
			h.Unlock()
			h.Unlock() // does not panic, whatever the word says by now
		case errors.Is(err, ErrOwnerDied), errors.Is(err, ErrNotRecoverable), errors.Is(err, ErrLocked),
			errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrInvalid):
			require.Zero(t, h.Depth())
		default:
			t.Errorf("undocumented error: %v", err)
		}
	}
}

func FuzzRecursiveGarbage(f *testing.F) {
	for _, word := range []uint32{0, 1, robust.Waiters, robust.OwnerDied, uint32(os.Getpid()), ^uint32(0)} {
		b := binary.LittleEndian.AppendUint32(nil, word)
		for _, rest := range []byte{0, 0x7f, 0xff} {
			b := append([]byte(nil), b...)
			for len(b) < 48 {
				b = append(b, rest)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, place := range places {
			m, mem, _ := newRecursive(t, place)
			copy(bytesOf(&mem.mu[0])[:], b)
			recursiveUse(t, m)
			m.Init()
			h := m.Holder()
			require.NoError(t, h.Lock())
			h.Unlock()
		}
	})
}

// Garbage that changes while the lock is used: a holder keeps its own count.
func TestRecursiveGarbageWhileRunning(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _, _ := newRecursive(t, place)
		var stop atomic.Bool
		hostile := start(func() error {
			for !stop.Load() {
				switch rand.IntN(3) {
				case 0:
					m.mutex.cell.Word.Store(rand.Uint32())
				case 1:
					m.mutex.cell.Word.Store(rand.Uint32() & (robust.Waiters | robust.OwnerDied))
				case 2:
					m.mutex.cell.Count.Store(rand.Uint32())
				}
				time.Sleep(time.Microsecond) // sleep: leave the victim some time between two blows
			}
			return nil
		})
		for range 50 {
			recursiveUse(t, m)
		}
		stop.Store(true)
		require.NoError(t, result(t, hostile))
		m.Init()
		h := m.Holder()
		require.NoError(t, h.Lock())
		h.Unlock()
	})
}
