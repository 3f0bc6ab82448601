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

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/stretchr/testify/require"
)

// rwUse does everything with rw once. Each call has to return, with an error of
// the documented ones or with success.
func rwUse(t testing.TB, rw *RWMutex) {
	check := func(err error, unlock func()) {
		switch {
		case err == nil:
			unlock() // does not panic, whatever the words say by now
		case errors.Is(err, ErrOwnerDied), errors.Is(err, ErrLocked), errors.Is(err, ErrCorrupt), errors.Is(err, ErrOverflow),
			errors.Is(err, ErrTooManyProcesses), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrInvalid):
		default:
			t.Errorf("undocumented error: %v", err)
		}
	}
	soon := func() context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	_, _ = rw.Owner()
	_ = rw.String()
	rw.RUnlock()
	func() {
		defer func() {
			if r := recover(); r != nil && r != rwNotHeld {
				panic(r)
			}
		}()
		rw.Unlock()
	}()
	check(rw.TryRLock(), rw.RUnlock)
	check(rw.RLockContext(soon()), rw.RUnlock)
	check(rw.TryLock(), rw.Unlock)
	check(rw.LockContext(soon()), rw.Unlock)
	check(rw.RLockContext(soon()), rw.RUnlock)
	check(rw.LockRepair(soon(), func() error { return os.ErrInvalid }), rw.Unlock)
	check(rw.LockRepair(soon(), func() error { return nil }), rw.Unlock)
	check(rw.RLockContext(soon()), rw.RUnlock)
}

func rwBytes(rw *RWMutex) []byte { return (*[unsafe.Sizeof(*rw)]byte)(unsafe.Pointer(rw))[:] }

// rwStuff are the parts in which garbage makes a difference: the head, and the
// first seat of each kind.
func rwStuff(rw *RWMutex, b []byte) {
	all := rwBytes(rw)
	for _, at := range []int{0, 128, 256, 256 + 128, 4352} {
		b = b[copy(all[at:at+64], b):]
	}
}

// rwClear makes the zero value of what this process may have a seat in.
func rwClear(t testing.TB, rw *RWMutex) {
	// What the garbage says this process holds is nobody's.
	clear(rwBytes(rw))
	require.NoError(t, Forget(rwBytes(rw)))
	clear(rwBytes(rw))
}

func FuzzRWMutexGarbage(f *testing.F) {
	add := func(queue, gate, dirty, used uint32, seat uint32, word uint64) {
		b := make([]byte, 5*64)
		for at, v := range map[int]uint32{0: queue, 64: gate, 64 + 48: dirty, 64 + 52: used, 128: seat, 192: seat} {
			binary.LittleEndian.PutUint32(b[at:], v)
		}
		binary.LittleEndian.PutUint64(b[128+48:], word)
		binary.LittleEndian.PutUint64(b[192+48:], word)
		f.Add(b, false)
		f.Add(b, true)
	}
	all := ^uint32(0)
	add(0, 0, 0, 0, 0, 0)
	add(all, all, all, all, all, ^uint64(0))
	add(0, 0, 1, 2, 0, uint64(rwClosed))
	add(0, 0, 0, 2, 0, uint64(rwClosed|rwCounts))
	add(0, 0, 0, 0, 0, uint64(rwClosed|rwWaiting))
	add(0, 0, 0, all, 1, uint64(rwActives))
	add(1, 0, 0, 1, 1, uint64(rwGranted|rwTag))
	add(0, 1, 0, 1, 0, uint64(rwActive|rwTag))
	add(0, robust.OwnerDied, 0, 2, robust.OwnerDied, uint64(rwClosed|rwActive))
	add(robust.OwnerDied, robust.OwnerDied|robust.Waiters, 7, 2, robust.OwnerDied, uint64(rwGrants|rwTag))
	add(uint32(os.Getpid()), uint32(os.Getpid()), 1, 3, uint32(os.Getpid()), uint64(rwTag))
	add(0, robust.TIDMask, 0, 3, robust.TIDMask, uint64(rwTag|rwActive|rwClosed))
	f.Fuzz(func(t *testing.T, b []byte, used bool) {
		for _, place := range places {
			m, _ := rwNew(t, place)
			if used { // garbage comes while this process has a seat
				require.NoError(t, m.rw.RLock())
			}
			rwStuff(&m.rw, b)
			rwUse(t, &m.rw)
			rwClear(t, &m.rw)
			require.NoError(t, m.rw.RLock())
			m.rw.RUnlock()
			require.NoError(t, m.rw.Lock())
			m.rw.Unlock()
		}
	})
}

// Garbage that changes while we run.
func TestRWMutexGarbageWhileRunning(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := rwNew(t, place)
		rw := &m.rw
		var stop atomic.Bool
		var blows atomic.Int32
		hostile := start(func() error {
			for !stop.Load() {
				blows.Add(1)
				v := rand.Uint32()
				s := rw.seat(rand.IntN(3))
				switch rand.IntN(8) {
				case 0:
					rw.queue.cell.Word.Store(v & (robust.Waiters | robust.OwnerDied))
				case 1:
					rw.gate.Word.Store(v & (robust.Waiters | robust.OwnerDied | 3))
				case 2:
					rw.dirty.Store(v & 1)
				case 3:
					rw.used.Store(v & 255)
				case 4:
					rw.bell.Store(v)
				case 5:
					s.cell.Word.Store(v)
				case 6:
					s.word.Store(rand.Uint64())
				case 7:
					s.word.Store(s.word.Load() ^ 1<<rand.IntN(int(52)))
				}
				time.Sleep(time.Microsecond) // sleep: leave the victim some time between two blows
			}
			return nil
		})
		for blows.Load() < 3000 {
			rwUse(t, rw)
		}
		stop.Store(true)
		require.NoError(t, result(t, hostile))
		rwClear(t, rw)
		require.NoError(t, rw.Lock())
		rw.Unlock()
		require.NoError(t, rw.RLock())
		rw.RUnlock()
	})
}

// A reader that waited while its phase ended, and whose seat nobody visits: it is
// no use to heal again and again.
func TestRWMutexGarbageNobodyHeals(t *testing.T) {
	m, _ := rwNew(t, "near")
	rw := &m.rw
	require.NoError(t, rw.RLock())
	rw.RUnlock()
	require.NoError(t, rw.Lock())
	reads := start(rw.RLock)
	rwAwaitReaders(t, m, 0, 1)
	s := rw.seat(0)
	rw.used.Store(0)
	s.word.Store(s.word.Load() + uint64(rwPhase))
	rw.Unlock()
	require.ErrorIs(t, result(t, reads), ErrCorrupt)
	rw.used.Store(1)
	require.NoError(t, rw.Lock())
	rw.Unlock()
	require.NoError(t, rw.RLock())
	rw.RUnlock()
}
