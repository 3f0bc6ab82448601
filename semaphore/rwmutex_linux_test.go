//go:build !explore

package semaphore

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const rwNotHeld = "semaphore: unlock of an RWMutex that this process does not hold"

// rwSleepers counts the processes in which somebody sleeps on w.
func rwSleepers(w *mem.Uint32) int {
	const requeue = 3
	n, _, e := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), requeue, 0, 1<<31-1, uintptr(unsafe.Pointer(w)), 0)
	if e != 0 {
		panic(e)
	}
	return int(n)
}

// S01, S04: readers share, a writer excludes all, in this process and in another.
func TestRWMutexS01(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := rwNew(t, place)
		rw := &m.rw
		other := rwPeer(t, f, place)
		for range 3 {
			require.NoError(t, rw.RLock())
			require.NoError(t, rw.TryRLock())
			tell(other, "rlock", "OK")
			tell(other, "tryrlock", "OK")
			require.Equal(t, 4, rw.Readers())
			tell(other, "trylock", "EBUSY")
			require.ErrorIs(t, rw.TryLock(), ErrLocked)
			require.NoError(t, rw.TryRLock(), "a failed TryLock shuts nobody out")
			for range 3 {
				rw.RUnlock()
			}
			tell(other, "runlock", "OK")
			require.ErrorIs(t, rw.TryLock(), ErrLocked, "the other one still reads")
			tell(other, "runlock", "OK")
			require.Zero(t, rw.Readers())

			require.NoError(t, rw.Lock())
			require.ErrorIs(t, rw.TryLock(), ErrLocked)
			require.ErrorIs(t, rw.TryRLock(), ErrLocked)
			tell(other, "trylock", "EBUSY")
			tell(other, "tryrlock", "EBUSY")
			rw.Unlock()
			require.PanicsWithValue(t, rwNotHeld, rw.Unlock)
			tell(other, "trylock", "OK")
			require.ErrorIs(t, rw.TryLock(), ErrLocked)
			require.ErrorIs(t, rw.TryRLock(), ErrLocked)
			require.PanicsWithValue(t, rwNotHeld, rw.Unlock, "another process holds it")
			tell(other, "unlock", "OK")
			require.NoError(t, rw.LockRepair(t.Context(), nil))
			rw.Unlock()
			require.NoError(t, rw.RLock())
			rw.RUnlock()
		}
	})
}

// What one goroutine has locked, another one may unlock (S12). One RUnlock too
// many does nothing.
func TestRWMutexS12(t *testing.T) {
	m, f := rwNew(t, "near")
	other := rwPeer(t, f, "near")
	tell(other, "runlock", "OK")
	m.rw.RUnlock()
	require.NoError(t, m.rw.RLock())
	tell(other, "runlock", "OK")
	require.Equal(t, 1, m.rw.Readers())
	require.NoError(t, result(t, start(func() error { m.rw.RUnlock(); return nil })))
	m.rw.RUnlock()
	require.NoError(t, m.rw.Lock())
	m.rw.RUnlock()
	require.NoError(t, result(t, start(func() error { m.rw.Unlock(); return nil })))
	require.NoError(t, m.rw.TryLock())
	m.rw.Unlock()
}

// A plain variable is one, too; here the race detector looks.
func TestRWMutexOfOneProcess(t *testing.T) {
	var rw RWMutex
	n := 0
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			for k := range 100 {
				if (i+k)%5 == 0 {
					if err := rw.Lock(); err != nil {
						t.Error(err)
						return
					}
					n++
					rw.Unlock()
					continue
				}
				if err := rw.RLockContext(t.Context()); err != nil {
					t.Error(err)
					return
				}
				_ = n
				rw.RUnlock()
			}
		})
	}
	testproc.Within(t, all.Wait)
	require.Equal(t, 400, n)
}

func TestRWMutexProcesses(t *testing.T) {
	m, f := rwNew(t, "near")
	const n = 600
	var ps []*testproc.Proc
	for i := range 4 {
		p := rwPeer(t, f, places[i%2])
		p.WriteLine("mix %d", n)
		ps = append(ps, p)
	}
	for _, p := range ps {
		p.Expect("OK")
	}
	require.EqualValues(t, len(ps)*3*n/4, m.counter)
	active, waiting, granted := m.sum()
	require.Zero(t, active+waiting+granted)
}

func TestRWMutexOwnerAndString(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := rwNew(t, place)
		rw := &m.rw
		_, held := rw.Owner()
		require.False(t, held)
		require.Equal(t, "RWMutex(free)", rw.String())
		other := rwPeer(t, f, place)
		require.NoError(t, rw.RLock())
		tell(other, "rlock", "OK")
		require.Equal(t, "RWMutex(readers: 2)", rw.String())
		rw.RUnlock()
		writes := start(rw.Lock)
		rwAwaitWriter(t, m)
		_, held = rw.Owner()
		require.False(t, held)
		require.Equal(t, fmt.Sprintf("RWMutex(readers: 1, pid %d waits for them)", os.Getpid()), rw.String())
		tell(other, "runlock", "OK")
		require.NoError(t, result(t, writes))
		pid, held := rw.Owner()
		require.True(t, held)
		require.Equal(t, os.Getpid(), pid)
		rw.Unlock()
		tell(other, "lock", "OK")
		pid, _ = rw.Owner()
		require.Equal(t, other.PID, pid)
		require.Equal(t, fmt.Sprintf("RWMutex(held by pid %d)", other.PID), fmt.Sprint(rw))
		other.Kill()
		await(t, func() bool { _, held := rw.Owner(); return !held })
		require.Equal(t, "RWMutex(owner died)", rw.String())
	})
}

// Readers that wait when a writer unlocks enter before the writer that waits as
// well: each of them answers while that one cannot.
func TestRWMutexPhaseFair(t *testing.T) {
	for range 10 {
		m, f := rwNew(t, "near")
		first, second, reader := rwPeer(t, f, "near"), rwPeer(t, f, "near"), rwPeer(t, f, "near")
		tell(first, "lock", "OK")
		reader.WriteLine("rlock")
		rwAwaitReaders(t, m, 0, 1)
		mine := start(m.rw.RLock)
		rwAwaitReaders(t, m, 0, 2)
		second.WriteLine("lock")
		await(t, func() bool { return sleepers(&m.rw.queue) == 1 })
		tell(first, "unlock", "OK")
		reader.Expect("OK")
		require.NoError(t, result(t, mine))
		require.Equal(t, 2, m.rw.Readers())
		// And those who come now wait for the second writer.
		rwAwaitWriter(t, m)
		late := start(m.rw.RLock)
		rwAwaitReaders(t, m, 2, 1)
		tell(reader, "runlock", "OK")
		m.rw.RUnlock()
		second.Expect("OK")
		require.Empty(t, late)
		tell(second, "unlock", "OK")
		require.NoError(t, result(t, late))
		m.rw.RUnlock()
	}
}

// S15: an attempt whose time is over leaves the lock as usable as it was, and
// readers whom a writer shut out that gives up go on. X14: it took as long as it
// should.
func TestRWMutexS15(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := rwNew(t, place)
		rw := &m.rw
		other := rwPeer(t, f, place)
		for _, d := range []time.Duration{time.Microsecond, 5 * time.Millisecond, 60 * time.Millisecond} {
			tell(other, "lock", "OK")
			began := time.Now()
			require.ErrorIs(t, rw.RLockContext(timeout(t, d)), context.DeadlineExceeded)
			require.ErrorIs(t, rw.LockContext(timeout(t, d)), context.DeadlineExceeded)
			require.ErrorIs(t, rw.LockRepair(timeout(t, d), nil), context.DeadlineExceeded)
			require.GreaterOrEqual(t, time.Since(began), 3*d)
			tell(other, "unlock", "OK")
			tell(other, "rlock", "OK")
			began = time.Now()
			require.ErrorIs(t, rw.LockContext(timeout(t, d)), context.DeadlineExceeded)
			require.GreaterOrEqual(t, time.Since(began), d)
			require.NoError(t, rw.TryRLock(), "the seats are open again")
			rw.RUnlock()
			tell(other, "runlock", "OK")
		}
		require.NoError(t, rw.LockContext(timeout(t, time.Hour)))
		rw.Unlock()
		require.NoError(t, rw.RLockContext(timeout(t, time.Hour)))
		rw.RUnlock()
		active, waiting, granted := m.sum()
		require.Zero(t, active+waiting+granted)
	})
}

// S16: a cancelled wait ends, on both sides, and those who wait on are not hurt.
func TestRWMutexCancel(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := rwNew(t, place)
		rw := &m.rw
		require.NoError(t, rw.RLock())
		ctx, cancel := context.WithCancel(t.Context())
		writer := start(func() error { return rw.LockContext(ctx) })
		rwAwaitWriter(t, m)
		stays := start(rw.RLock)
		rwAwaitReaders(t, m, 1, 1)
		cancel()
		require.ErrorIs(t, result(t, writer), context.Canceled)
		require.NoError(t, result(t, stays))
		rw.RUnlock()
		rw.RUnlock()

		require.NoError(t, rw.Lock())
		ctx, cancel = context.WithCancel(t.Context())
		waits := start(func() error { return rw.RLockContext(ctx) })
		stays = start(rw.RLock)
		rwAwaitReaders(t, m, 0, 2)
		cancel()
		require.ErrorIs(t, result(t, waits), context.Canceled)
		require.ErrorIs(t, rw.RLockContext(ctx), context.Canceled)
		rwAwaitReaders(t, m, 0, 1)
		rw.Unlock()
		require.NoError(t, result(t, stays))
		rw.RUnlock()
	})
}

// A thousand readers that a writer let wait.
func TestRWMutexThousandReaders(t *testing.T) {
	m, _ := rwNew(t, "near")
	require.NoError(t, m.rw.Lock())
	var all []<-chan error
	for range 1000 {
		all = append(all, start(m.rw.RLock))
	}
	rwAwaitReaders(t, m, 0, 1000)
	m.rw.Unlock()
	for _, c := range all {
		require.NoError(t, result(t, c))
	}
	require.Equal(t, 1000, m.rw.Readers())
	writes := start(m.rw.Lock)
	rwAwaitWriter(t, m)
	for range 1000 {
		require.Empty(t, writes)
		m.rw.RUnlock()
	}
	require.NoError(t, result(t, writes))
	m.rw.Unlock()
}

func TestRWMutexOverflow(t *testing.T) {
	m, _ := rwNew(t, "near")
	for range rwFull {
		require.NoError(t, m.rw.RLock())
	}
	require.ErrorIs(t, m.rw.RLock(), ErrOverflow)
	require.ErrorIs(t, m.rw.TryRLock(), ErrOverflow)
	m.rw.RUnlock()
	require.NoError(t, m.rw.TryRLock())
	for range rwFull {
		m.rw.RUnlock()
	}
	require.Zero(t, m.rw.Readers())
}

// Each mapping of the memory takes part like a process of its own. From the 33rd
// on seats are denser, and the 129th gets none.
func TestRWMutexManyProcesses(t *testing.T) {
	m, f := rwNew(t, "near")
	require.NoError(t, m.rw.RLock())
	all := []*rwMemory{m}
	var last []byte
	for i := range rwSeats - 3 {
		var o *rwMemory
		o, last = rwAttach(t, f, places[i%2])
		require.NoError(t, o.rw.RLock())
		all = append(all, o)
	}
	p, q := rwPeer(t, f, "near"), rwPeer(t, f, "foreign")
	tell(p, "rlock", "OK")
	tell(q, "rlock", "OK")
	require.Equal(t, rwSeats, m.rw.Readers())
	late, _ := rwAttach(t, f, "near")
	require.ErrorIs(t, late.rw.RLock(), ErrTooManyProcesses)
	require.ErrorIs(t, late.rw.TryRLock(), ErrTooManyProcesses)
	require.ErrorIs(t, late.rw.TryLock(), ErrLocked)
	writes := start(late.rw.Lock) // writers need no seat
	for _, o := range all[1:] {
		o.rw.RUnlock()
	}
	tell(p, "runlock", "OK")
	tell(q, "runlock", "OK")
	rwAwaitReaders(t, m, 1, 0)
	require.Empty(t, writes)
	m.rw.RUnlock()
	require.NoError(t, result(t, writes))
	late.rw.Unlock()

	require.ErrorIs(t, late.rw.RLock(), ErrTooManyProcesses)
	require.NoError(t, Forget(last))
	require.NoError(t, late.rw.RLock(), "the seat that was left")
	late.rw.RUnlock()
	require.NoError(t, all[rwSeats-5].rw.RLock())
	all[rwSeats-5].rw.RUnlock()
	p.Kill()
	await(t, func() bool { o := all[rwSeats-3]; err := o.rw.TryRLock(); return err == nil })
	all[rwSeats-3].rw.RUnlock()
}

func TestRWMutexForget(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		f := newFile(t, int64(unsafe.Sizeof(rwMemory{})))
		m, b := rwAttach(t, f, place)
		rw := &m.rw
		for range 3 {
			require.NoError(t, rw.RLock())
			require.ErrorIs(t, Forget(b), ErrBusy)
			require.NoError(t, rw.TryRLock(), "as before")
			rw.RUnlock()
			rw.RUnlock()
			require.NoError(t, Forget(b))
			require.NoError(t, Forget(b))
			require.Equal(t, robust.Vacant, robust.StateOf(rw.seat(0).cell.Word.Load()))
			rw.RUnlock() // of nothing
			require.NoError(t, rw.Lock())
			require.ErrorIs(t, Forget(b), ErrBusy)
			rw.Unlock()
			require.NoError(t, Forget(b))
			require.EqualValues(t, 1, rw.used.Load())
		}
		// Those who come while the process leaves, again and again.
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 300 {
					if err := rw.RLock(); err != nil {
						t.Error(err)
						return
					}
					rw.RUnlock()
				}
			})
		}
		for range 100 {
			if err := Forget(b); err != nil {
				require.ErrorIs(t, err, ErrBusy)
			}
		}
		testproc.Within(t, all.Wait)
		require.Zero(t, rw.Readers())
		require.NoError(t, rw.TryLock())
		rw.Unlock()
	})
}

// What was read-locked cannot be closed, and a closed one cannot be locked.
func TestRWMutexClosedMemory(t *testing.T) {
	f := newFile(t, int64(unsafe.Sizeof(rwMemory{})))
	mp, err := mem.Map(f, int(unsafe.Sizeof(rwMemory{})), mem.Options{})
	require.NoError(t, err)
	m := (*rwMemory)(unsafe.Pointer(&mp.Bytes()[0]))
	require.NoError(t, m.rw.RLock())
	require.ErrorIs(t, robust.Unmap(mp), ErrBusy)
	m.rw.RUnlock()
	require.NoError(t, robust.Unmap(mp))
	require.ErrorIs(t, m.rw.RLock(), robust.ErrClosed)
	require.ErrorIs(t, m.rw.TryRLock(), robust.ErrClosed)
	require.ErrorIs(t, m.rw.Lock(), robust.ErrClosed)
	m.rw.RUnlock()
}

func TestRWMutexMisaligned(t *testing.T) {
	b := make([]byte, unsafe.Sizeof(RWMutex{})+16)
	off := 4 + -uintptr(unsafe.Pointer(&b[0]))&7
	rw := (*RWMutex)(unsafe.Pointer(&b[off]))
	for _, err := range []error{rw.RLock(), rw.TryRLock(), rw.Lock(), rw.TryLock(), rw.LockRepair(t.Context(), nil)} {
		require.ErrorIs(t, err, ErrInvalid)
	}
}
