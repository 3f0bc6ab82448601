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
	"unsafe"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/stretchr/testify/require"
)

// use does everything with m once. Each call has to return, with an error of
// the documented ones or with success. It says how often m was locked.
func use(t testing.TB, m *Mutex) (locked int) {
	check := func(err error) {
		switch {
		case err == nil:
			locked++
			m.Unlock() // does not panic, whatever the word says by now
		case errors.Is(err, ErrOwnerDied), errors.Is(err, ErrNotRecoverable), errors.Is(err, ErrLocked),
			errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrInvalid):
		default:
			t.Errorf("undocumented error: %v", err)
		}
	}
	soon := func() context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	_, _ = m.Owner()
	_ = m.String()
	misuse(m)
	check(m.TryLock())
	check(m.LockContext(soon()))
	check(m.LockRepair(soon(), func() error { return os.ErrInvalid }))
	check(m.LockRepair(soon(), func() error { return nil }))
	return locked
}

// misuse unlocks what is not held. It panics as documented, unless the garbage
// says that this process does hold m.
func misuse(m *Mutex) {
	defer func() {
		if r := recover(); r != nil && r != notHeld {
			panic(r)
		}
	}()
	m.Unlock()
}

func bytesOf(m *Mutex) *[48]byte { return (*[48]byte)(unsafe.Pointer(m)) }

func FuzzGarbage(f *testing.F) {
	add := func(word uint32, owner uint32, rest ...uint64) {
		b := make([]byte, 48)
		binary.LittleEndian.PutUint32(b, word)
		binary.LittleEndian.PutUint32(b[8:], owner)
		for i, r := range rest {
			binary.LittleEndian.PutUint64(b[24+8*i:], r)
		}
		f.Add(b)
	}
	add(0, 0)
	add(robust.Waiters, 0)
	add(robust.OwnerDied, robust.OwnerInconsistent, 1, 2, 3)
	add(robust.Waiters|robust.OwnerDied|1, 0)
	add(0, robust.OwnerNotRecoverable, ^uint64(0), ^uint64(0), ^uint64(0))
	add(1, 0)
	add(uint32(os.Getpid()), 0, 0, 0, uint64(os.Getpid()))
	add(robust.TIDMask, 0)
	add(^uint32(0), ^uint32(0), ^uint64(0), ^uint64(0), ^uint64(0))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, place := range places {
			m, _ := newMemory(t, place)
			require.NoError(t, m.mu[1].Lock())
			copy(bytesOf(&m.mu[0])[:], b)
			use(t, &m.mu[0])
			// The neighbour is held as before, and a new start is one.
			m.mu[0].Init()
			require.NoError(t, m.mu[0].Lock())
			m.mu[0].Unlock()
			m.mu[1].Unlock()
		}
	})
}

// Garbage that changes while we run.
func TestGarbageWhileRunning(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newMemory(t, place)
		mu := &m.mu[0]
		var stop atomic.Bool
		hostile := start(func() error {
			for !stop.Load() {
				switch rand.IntN(4) {
				case 0:
					mu.cell.Word.Store(rand.Uint32())
				case 1:
					mu.cell.Word.Store(rand.Uint32() & (robust.Waiters | robust.OwnerDied))
				case 2:
					mu.cell.Owner.Store(robust.OwnerNotRecoverable + rand.Uint32N(2))
				case 3:
					mu.cell.Ident.Store(rand.Uint64())
				}
				time.Sleep(time.Microsecond) // sleep: leave the victim some time between two blows
			}
			return nil
		})
		for range 50 {
			use(t, mu)
		}
		stop.Store(true)
		require.NoError(t, result(t, hostile))
		mu.Init()
		require.NoError(t, mu.Lock())
		mu.Unlock()
	})
}

// A mutex that is not aligned is refused: the kernel would stop at it, and never
// mark those that it has not come to.
func TestMisaligned(t *testing.T) {
	if race.Enabled {
		t.Skip("checkptr allows no such pointer")
	}
	f := newFile(t, 4096)
	for _, place := range places {
		_, b, unmap := mapMemory(t, f, place)
		for _, off := range []int{1, 2, 4} {
			m := (*Mutex)(unsafe.Pointer(&b[off]))
			for _, err := range []error{m.Lock(), m.TryLock(), m.LockContext(t.Context()), m.LockRepair(t.Context(), nil)} {
				require.ErrorIs(t, err, ErrInvalid)
			}
			require.Zero(t, m.cell.Word.Load())
		}
		require.NoError(t, Forget(b))
		require.NoError(t, unmap())
	}
}
