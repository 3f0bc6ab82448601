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

// condUse does everything with m once. Each call has to return, with success or
// with an error of the documented ones.
func condUse(t testing.TB, m *condMemory) {
	soon, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	check := func(err error) {
		switch {
		case errors.Is(err, ErrRelock):
			t.Errorf("nobody touches the lock: %v", err)
		case err == nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrTooManyProcesses), errors.Is(err, ErrOverflow):
		default:
			t.Errorf("undocumented error: %v", err)
		}
	}
	_ = m.c.String()
	m.c.Signal()
	require.NoError(t, m.mu.Lock())
	check(m.c.WaitContext(soon, &m.mu))
	m.c.Broadcast()
	m.c.Signal()
	asked := 0
	check(m.c.WaitFor(soon, &m.mu, func() bool { asked++; return asked > 3 }))
	m.mu.Unlock()
	_ = m.c.String()
}

func condBytes(c *Cond) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(c)), unsafe.Sizeof(Cond{}))
}

// condWorks checks that a new start is one, for whoever waited before too.
func condWorks(t testing.TB, m *condMemory) {
	clear(condBytes(&m.c))
	done := start(func() error { return m.wait(context.Background()) })
	await(t, func() bool { return condWaiting(&m.c) == 1 })
	m.c.Signal()
	await(t, func() bool { return len(done) == 1 })
	require.NoError(t, <-done)
}

func FuzzCondGarbage(f *testing.F) {
	add := func(used, turn uint32, cell uint32, word uint64, consumed uint32) {
		b := make([]byte, 320)
		binary.LittleEndian.PutUint32(b, used)
		binary.LittleEndian.PutUint32(b[4:], turn)
		for _, seat := range [][]byte{b[128:256], b[256:]} {
			binary.LittleEndian.PutUint32(seat, cell)
			binary.LittleEndian.PutUint64(seat[48:], word)
			binary.LittleEndian.PutUint32(seat[56:], consumed)
		}
		f.Add(b)
	}
	const most = ^uint32(0)
	add(0, 0, 0, 0, 0)
	add(most, most, 0, ^uint64(0), most)
	add(2, 1, robust.OwnerDied, condActive|5*condOne|7, 3)
	add(2, 1, robust.OwnerDied|robust.Waiters, condActive|7, 3)
	add(2, 7, uint32(os.Getppid()), condActive|condOpenMask|condSleepers, 3)
	add(2, 0, robust.TIDMask, condActive|condOpenMask, 9)
	add(1, 0, 1, condOpenMask, 9)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, place := range places {
			m, _ := condNew(t, place)
			copy(condBytes(&m.c), b) // before this process has come
			condUse(t, m)
			copy(condBytes(&m.c), b) // while it is there
			condUse(t, m)
			condWorks(t, m)
		}
	})
}

// Garbage that changes while we run.
func TestCondGarbageWhileRunning(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := condNew(t, place)
		c := &m.c.cond
		var stop atomic.Bool
		hostile := start(func() error {
			for !stop.Load() {
				s := &c.seats[rand.IntN(3)]
				switch rand.IntN(7) {
				case 0:
					s.word.Store(rand.Uint64())
				case 1:
					s.word.Store(s.word.Load() ^ 1<<rand.IntN(64))
				case 2:
					s.cell.Word.Store(rand.Uint32())
				case 3:
					s.cell.Word.Store(rand.Uint32() & (robust.Waiters | robust.OwnerDied))
				case 4:
					s.consumed.Store(rand.Uint32())
				case 5:
					s.cell.Ident.Store(rand.Uint64())
				case 6:
					c.used.Store(rand.Uint32())
					c.turn.Store(rand.Uint32())
				}
				time.Sleep(time.Microsecond) // sleep: leave the victim some time between two blows
			}
			return nil
		})
		others := start(func() error {
			for !stop.Load() {
				condUse(t, m)
			}
			return nil
		})
		for range 50 {
			condUse(t, m)
		}
		stop.Store(true)
		require.NoError(t, result(t, hostile))
		require.NoError(t, result(t, others))
		condWorks(t, m)
	})
}
