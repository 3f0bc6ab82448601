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

// permitsTry does everything with p once. Each call has to return, with an error
// of the documented ones or with success.
func permitsTry(t testing.TB, p *Permits) {
	check := func(err error) bool {
		for _, e := range []error{ErrNoPermits, ErrNotHeld, ErrNotInitialized, ErrInvalid, ErrCorrupt,
			ErrTooManyProcesses, context.DeadlineExceeded} {
			if errors.Is(err, e) {
				return false
			}
		}
		if err != nil {
			t.Errorf("undocumented error: %v", err)
		}
		return err == nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
	defer cancel()
	for _, k := range []int{1, 3, permitsMax} {
		if check(p.TryAcquire(k)) {
			check(p.Release(k))
		}
	}
	check(p.Release(2))
	if check(p.Acquire(ctx, 2)) {
		check(p.Release(1))
		check(p.Release(1))
	}
	_, _, _, _ = p.Available(), p.Total(), p.Holders(), p.String()
}

// permitsBytes is what precedes the seats, and two of these.
func permitsBytes(p *Permits) *[128 + 2*128]byte {
	return (*[128 + 2*128]byte)(unsafe.Pointer(p))
}

func FuzzPermits(f *testing.F) {
	add := func(state permitsState, total, bell, used uint32, cell uint32, word permitsWord, intent permitsIntent) {
		b := make([]byte, 128+2*128)
		le := binary.LittleEndian
		le.PutUint64(b, uint64(state))
		le.PutUint32(b[8:], total)
		le.PutUint32(b[12:], bell)
		le.PutUint32(b[16:], used)
		for _, seat := range [][]byte{b[128:], b[256:]} {
			le.PutUint32(seat, cell)
			le.PutUint64(seat[48:], uint64(word))
			le.PutUint64(seat[56:], uint64(intent))
		}
		f.Add(b)
	}
	const dead = robust.OwnerDied
	add(newPermitsState(5, 0, false, 0), 5, 0, 0, 0, 0, 0)
	add(newPermitsState(3, 0, false, 8), 5, 0, 1, dead, newPermitsWord(0, 7), newPermitsIntent(2, 8))
	add(newPermitsState(3, 1, false, 8), 5, 1<<31, 2, dead, newPermitsWord(0, 7), newPermitsIntent(-2, 8))
	add(newPermitsState(3, 1, false, 8), 5, ^uint32(0), 2, 1, newPermitsWord(0, 5), newPermitsIntent(2, 8))
	add(newPermitsState(5, 1, true, 0), 5, 0, 64, dead, newPermitsWord(9, permitsTagMask), 0)
	add(newPermitsState(5, 0, false, 0), 5, 0, 9, dead, newPermitsWord(permitsMax, 0), 0)
	add(newPermitsState(9, 0, false, 0), 5, 0, 0, 0, 0, 0)
	add(newPermitsState(5, 64, false, 0), 5, 0, 0, 0, 0, 0)
	add(newPermitsState(5, 255, true, 1), ^uint32(0), 0, ^uint32(0), 0, 0, 0)
	add(^permitsState(0), permitsMax, 0, ^uint32(0), ^uint32(0), ^permitsWord(0), ^permitsIntent(0))
	add(newPermitsState(0, 0, false, 0), permitsMax, 0, 1, uint32(os.Getpid()), newPermitsWord(permitsMax, 0), 0)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, place := range places {
			for _, seated := range []bool{false, true} {
				m, _ := newPermits(t, place, 5)
				if seated {
					require.NoError(t, m.p.TryAcquire(1))
				}
				copy(permitsBytes(&m.p)[:], b)
				permitsTry(t, &m.p)
				require.NoError(t, m.p.Init(5)) // a new start is one
				require.NoError(t, m.p.TryAcquire(5))
				require.NoError(t, m.p.Release(5))
			}
		}
	})
}

// Garbage that changes while we run.
func TestPermitsGarbageWhileRunning(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newPermits(t, place, 5)
		p := &m.p
		var stop atomic.Bool
		hostile := start(func() error {
			for !stop.Load() {
				s := &p.m.seats[rand.IntN(2)]
				switch rand.IntN(8) {
				case 0:
					p.m.state.Store(rand.Uint64())
				case 1:
					p.m.state.Store(uint64(newPermitsState(rand.Uint32N(6), rand.IntN(2), rand.IntN(2) == 0, rand.Uint32N(3))))
				case 2:
					s.word.Store(uint64(newPermitsWord(rand.Uint32N(6), rand.Uint32N(3))))
				case 3:
					s.intent.Store(uint64(newPermitsIntent(rand.Int32N(9)-4, rand.Uint32N(3))))
				case 4:
					s.cell.Word.Store(rand.Uint32() & (robust.Waiters | robust.OwnerDied))
				case 5:
					p.m.bell.Store(rand.Uint32())
				case 6:
					p.m.used.Store(rand.Uint32())
				case 7:
					p.m.total.Store(rand.Uint32N(9))
				}
				time.Sleep(time.Microsecond) // sleep: leave the victim some time between two blows
			}
			return nil
		})
		for range 50 {
			permitsTry(t, p)
		}
		stop.Store(true)
		require.NoError(t, result(t, hostile))
		require.NoError(t, p.Init(5))
		require.NoError(t, p.TryAcquire(5))
		require.NoError(t, p.Release(5))
	})
}
