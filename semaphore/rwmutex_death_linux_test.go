//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// X06: readers that are killed are gone, whether they are inside, wait, or are let
// in at that moment.
func TestRWMutexX06(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := rwNew(t, place)
		rw := &m.rw
		p, q := rwPeer(t, f, place), rwPeer(t, f, place)
		tell(p, "rlock", "OK")
		tell(p, "rlock", "OK")
		tell(q, "rlock", "OK")
		writes := start(rw.Lock)
		rwAwaitWriter(t, m)
		p.WriteLine("rlock")
		rwAwaitReaders(t, m, 3, 1)
		p.Kill()
		rwAwaitReaders(t, m, 1, 0)
		require.Empty(t, writes)
		q.Kill()
		require.NoError(t, result(t, writes))

		p = rwPeer(t, f, place)
		p.WriteLine("rlock")
		rwAwaitReaders(t, m, 0, 1)
		require.True(t, p.Stop())
		rw.Unlock() // lets it in
		p.Kill()
		require.NoError(t, rw.Lock())
		rw.Unlock()
		_, waiting, granted := m.sum()
		require.Zero(t, waiting+granted)

		p = rwPeer(t, f, place)
		tell(p, "rlock", "OK")
		p.Kill()
		await(t, func() bool { return rw.TryLock() == nil })
		rw.Unlock()
		require.EqualValues(t, 2, rw.used.Load(), "dead ones' seats are used again")
	})
}

// A writer that dies while it waits for readers leaves nothing to repair.
func TestRWMutexDeadWaitingWriter(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := rwNew(t, place)
		rw := &m.rw
		require.NoError(t, rw.RLock())
		for i := range 4 {
			p, q := rwPeer(t, f, place), rwPeer(t, f, place)
			p.WriteLine("lock")
			rwAwaitWriter(t, m)
			q.WriteLine("rlock")
			mine := start(rw.RLock)
			rwAwaitReaders(t, m, 1, 2)
			if i%2 == 0 {
				await(t, func() bool { return rwSleepers(&rw.bell) > 0 })
			}
			p.Kill()
			q.Expect("OK") // without anybody's help
			require.NoError(t, result(t, mine))
			rw.RUnlock()
			tell(q, "runlock", "OK")
		}
		rw.RUnlock()
		require.NoError(t, rw.TryLock())
		rw.Unlock()
	})
}

// rwDie leaves rw as a writer's that died inside.
func rwDie(t *testing.T, m *rwMemory, p *testproc.Proc) {
	t.Helper()
	tell(p, "lock", "OK")
	p.Kill()
	await(t, func() bool { return robust.StateOf(m.rw.gate.Word.Load()) == robust.Dead })
}

// X01: a writer is killed inside. Readers and writers hear of it in every way of
// locking, those that were asleep too, until one repairs.
func TestRWMutexX01(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := rwNew(t, place)
		rw := &m.rw
		p, other, readsLater := rwPeer(t, f, place), rwPeer(t, f, place), rwPeer(t, f, place)
		tell(p, "lock", "OK")
		other.WriteLine("rlock")
		reads, writes := start(rw.RLock), start(rw.Lock)
		reads2 := start(rw.RLock)
		rwAwaitReaders(t, m, 0, 3)
		await(t, func() bool { return sleepers(&rw.queue) == 1 && rwSleepers(&rw.bell) > 0 })
		p.Kill()
		other.Expect("EOWNERDEAD")
		require.ErrorIs(t, result(t, reads), ErrOwnerDied)
		require.ErrorIs(t, result(t, reads2), ErrOwnerDied)
		require.ErrorIs(t, result(t, writes), ErrOwnerDied)
		for range 3 { // it stays
			require.ErrorIs(t, rw.Lock(), ErrOwnerDied)
			require.ErrorIs(t, rw.LockContext(t.Context()), ErrOwnerDied)
			await(t, func() bool { return errors.Is(rw.TryLock(), ErrOwnerDied) })
			require.ErrorIs(t, rw.RLock(), ErrOwnerDied)
			require.ErrorIs(t, rw.RLockContext(t.Context()), ErrOwnerDied)
			require.ErrorIs(t, rw.TryRLock(), ErrOwnerDied)
			tell(readsLater, "rlock", "EOWNERDEAD") // which takes a seat now
			tell(other, "lock", "EOWNERDEAD")
			require.PanicsWithValue(t, rwNotHeld, rw.Unlock)
		}
		repaired := false
		require.NoError(t, rw.LockRepair(t.Context(), func() error {
			repaired = true
			tell(other, "trylock", "EBUSY")
			tell(other, "tryrlock", "EBUSY")
			return nil
		}))
		require.True(t, repaired)
		tell(other, "tryrlock", "EBUSY")
		rw.Unlock()
		tell(other, "rlock", "OK")
		tell(readsLater, "tryrlock", "OK")
		require.NoError(t, rw.RLock())
		rw.RUnlock()
	})
}

func TestRWMutexFailingRepair(t *testing.T) {
	m, f := rwNew(t, "near")
	rw := &m.rw
	rwDie(t, m, rwPeer(t, f, "near"))
	other := rwPeer(t, f, "near")
	cannot := errors.New("cannot")
	require.Panics(t, func() { _ = rw.LockRepair(t.Context(), nil) })
	for range 3 {
		require.ErrorIs(t, rw.LockRepair(t.Context(), func() error {
			other.WriteLine("lock") // waits meanwhile
			await(t, func() bool { return sleepers(&rw.queue) == 1 })
			return cannot
		}), cannot)
		other.Expect("EOWNERDEAD")
		require.ErrorIs(t, rw.RLock(), ErrOwnerDied)
		require.PanicsWithValue(t, "broken", func() {
			_ = rw.LockRepair(t.Context(), func() error { panic("broken") })
		})
		require.ErrorIs(t, rw.Lock(), ErrOwnerDied)
		tell(other, "tryrlock", "EOWNERDEAD")
	}
	for range 2 {
		p := rwPeer(t, f, "near")
		tell(p, "repairing", "repairs")
		other.WriteLine("rlock")
		rwAwaitReaders(t, m, 0, 1)
		p.Kill()
		other.Expect("EOWNERDEAD")
	}
	tell(other, "repair", "OK")
	tell(other, "unlock", "OK")
	require.NoError(t, rw.RLock())
	rw.RUnlock()
}

// S2: a stopped reader blocks writers, and whom they shut out, until they give up;
// a stopped writer blocks all. Everything goes on when they continue.
func TestRWMutexStoppedOwner(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := rwNew(t, place)
		rw := &m.rw
		p := rwPeer(t, f, place)
		tell(p, "rlock", "OK")
		require.True(t, p.Stop())
		require.ErrorIs(t, rw.TryLock(), ErrLocked)
		require.NoError(t, rw.RLock(), "readers are not blocked")
		rw.RUnlock()
		require.ErrorIs(t, rw.LockContext(timeout(t, 120*time.Millisecond)), context.DeadlineExceeded) // two looks
		require.NoError(t, rw.RLock())
		rw.RUnlock()
		writes := start(rw.Lock)
		p.Cont()
		tell(p, "runlock", "OK")
		require.NoError(t, result(t, writes))
		rw.Unlock()

		tell(p, "lock", "OK")
		require.True(t, p.Stop())
		reads := start(rw.RLock)
		writes = start(rw.Lock)
		rwAwaitReaders(t, m, 0, 1)
		require.ErrorIs(t, rw.TryLock(), ErrLocked)
		require.ErrorIs(t, rw.TryRLock(), ErrLocked)
		require.ErrorIs(t, rw.RLockContext(timeout(t, 120*time.Millisecond)), context.DeadlineExceeded)
		require.ErrorIs(t, rw.LockRepair(timeout(t, time.Millisecond), func() error {
			return errors.New("repair of a living writer's data")
		}), context.DeadlineExceeded)
		require.Empty(t, reads)
		require.Empty(t, writes)
		p.Cont()
		tell(p, "unlock", "OK")
		require.NoError(t, result(t, reads))
		rw.RUnlock()
		require.NoError(t, result(t, writes))
		rw.Unlock()
	})
}

// A stopped reader that was let in loses its turn, and gets the next one.
func TestRWMutexRevokedGrant(t *testing.T) {
	for _, try := range []bool{false, true} {
		m, f := rwNew(t, "near")
		rw := &m.rw
		p := rwPeer(t, f, "near")
		require.NoError(t, rw.Lock())
		p.WriteLine("rlock")
		rwAwaitReaders(t, m, 0, 1)
		require.True(t, p.Stop())
		for i := range 3 {
			rw.Unlock()
			_, _, granted := m.sum()
			require.Equal(t, 1, granted)
			if try {
				await(t, func() bool { return rw.TryLock() == nil })
			} else {
				require.NoError(t, rw.Lock())
			}
			_, waiting, granted := m.sum()
			require.Equal(t, []int{1, 0}, []int{waiting, granted}, "round %d", i)
			require.NotZero(t, rwWord(rw.seat(0).word.Load())&rwAbsent)
		}
		p.Cont()
		rw.Unlock()
		p.Expect("OK")
		require.Equal(t, 1, rw.Readers())
		require.Zero(t, rwWord(rw.seat(0).word.Load())&rwAbsent)
		tell(p, "runlock", "OK")
	}
}

// A reader that had lost its turn and comes too late has not lost the next one.
func TestRWMutexLateReader(t *testing.T) {
	m, f := rwNew(t, "near")
	rw := &m.rw
	p := rwPeer(t, f, "near")
	require.NoError(t, rw.Lock())
	p.WriteLine("rlock")
	rwAwaitReaders(t, m, 0, 1)
	require.True(t, p.Stop())
	rw.Unlock()
	require.NoError(t, rw.Lock())
	word := &rw.seat(0).word
	require.NotZero(t, rwWord(word.Load())&rwAbsent)
	p.Cont()
	await(t, func() bool { return rwWord(word.Load())&rwAbsent == 0 })
	require.Zero(t, rw.Readers())
	rw.Unlock()
	p.Expect("OK")
	require.NoError(t, rw.RLock())
	rw.RUnlock()
	tell(p, "runlock", "OK")
}

// Kernel marks that got lost: whoever sleeps, and whoever only tries, finds the
// death as well.
func TestRWMutexLostMarks(t *testing.T) {
	const nobody = 0x3ffffff1
	for _, sleeps := range []bool{false, true} {
		m, _ := rwNew(t, "near")
		rw := &m.rw
		require.NoError(t, rw.RLock())
		rw.RUnlock()
		read := func() {
			t.Helper()
			if sleeps {
				require.NoError(t, rw.RLock())
			} else {
				await(t, func() bool { return rw.TryRLock() == nil })
			}
			rw.RUnlock()
		}
		write := func() {
			t.Helper()
			if sleeps {
				require.NoError(t, rw.Lock())
			} else {
				await(t, func() bool { return rw.TryLock() == nil })
			}
			rw.Unlock()
		}
		closeSeat := func() { s := &rw.seat(0).word; s.Store(s.Load() | uint64(rwClosed)) }
		rw.gate.Word.Store(nobody) // a writer that had shut the seats
		closeSeat()
		read()
		rw.gate.Word.Store(nobody)
		closeSeat()
		rw.queue.cell.Word.Store(nobody)
		write()
		rw.gate.Word.Store(nobody)
		closeSeat()
		rw.queue.cell.Word.Store(nobody)
		read()
		rw.seat(1).cell.Word.Store(nobody) // a reader
		rw.seat(1).word.Store(uint64(2 * rwActive))
		rw.used.Store(2)
		write()
		require.Zero(t, rw.Readers())
	}
}

// A seat may be closed when there is no writer (see sit). Its reader opens it, once
// who holds the queue is out of the way.
func TestRWMutexClosedInVain(t *testing.T) {
	for _, told := range []bool{true, false} {
		m, _ := rwNew(t, "near")
		rw := &m.rw
		require.NoError(t, rw.RLock())
		rw.RUnlock()
		word := &rw.seat(0).word
		word.Store(word.Load() | uint64(rwClosed))
		require.NoError(t, rw.queue.Lock())
		require.ErrorIs(t, rw.TryRLock(), ErrLocked)
		reads := start(rw.RLock)
		await(t, func() bool { return rwSleepers(&rw.bell) == 1 })
		if told {
			rw.leaveQueue()
		} else {
			rw.queue.Unlock() // and the look finds it
		}
		require.NoError(t, result(t, reads))
		rw.RUnlock()

		// Where opening all seats does not help, the memory holds garbage.
		word.Store(word.Load() | uint64(rwClosed))
		rw.used.Store(0)
		require.ErrorIs(t, rw.RLock(), ErrCorrupt)
		require.ErrorIs(t, rw.TryRLock(), ErrCorrupt)
		rw.used.Store(1)
		require.NoError(t, rw.RLock())
		rw.RUnlock()
	}
}

// Many readers and writers are killed at once.
func TestRWMutexVictimsAtOnce(t *testing.T) {
	for range 5 {
		m, f := rwNew(t, "near")
		var victims []*testproc.Proc
		for i := range 4 {
			p := rwPeer(t, f, places[i%2])
			victims = append(victims, p)
			p.WriteLine("mix 1000000")
		}
		survivor := rwPeer(t, f, "near")
		for range 200 {
			require.NoError(t, m.rw.RLock())
			m.rw.RUnlock()
		}
		for _, p := range victims {
			p.Kill()
		}
		survivor.WriteLine("repair")
		survivor.Expect("OK")
		tell(survivor, "unlock", "OK")
		require.NoError(t, m.rw.RLock())
		m.rw.RUnlock()
	}
}
