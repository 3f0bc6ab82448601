//go:build !explore

package semaphore

import (
	"context"
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

// barUse does everything with b once. Each call has to return, with an error of
// the documented ones or with success.
func barUse(t testing.TB, b *Barrier) {
	check := func(err error) {
		switch {
		case err == nil, errors.Is(err, ErrBroken), errors.Is(err, ErrCorrupt), errors.Is(err, ErrNotInitialized),
			errors.Is(err, ErrTooManyProcesses), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrInvalid):
		default:
			t.Errorf("undocumented error: %v", err)
		}
	}
	wait := func(wait func(context.Context) (int, error)) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
		defer cancel()
		i, err := wait(ctx)
		check(err)
		if (i < 0) != (err != nil) || i >= maxParties {
			t.Errorf("number %d, error %v", i, err)
		}
	}
	_ = b.String()
	_ = b.Broken()
	if n := b.Waiting(); n < 0 || n > maxParties {
		t.Errorf("%d wait", n)
	}
	check(b.Join())
	wait(b.Wait)
	wait(func(ctx context.Context) (int, error) {
		return b.WaitAction(ctx, func() error { return os.ErrInvalid })
	})
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
	defer cancel()
	check(b.Reset(ctx))
	wait(func(ctx context.Context) (int, error) {
		return b.WaitAction(ctx, func() error { return nil })
	})
	b.Abort()
	check(b.Leave())
}

// garbage puts g over the fields and the first seats of b, not over its own seat.
func (b *Barrier) garbage(g []byte) {
	all := (*[barrierSize]byte)(unsafe.Pointer(b))[:]
	copy(all[:8], g)
	if len(g) > 8 {
		copy(all[128:256], g[8:])
	}
	if len(g) > 8+128 {
		copy(all[256:], g[8+128:])
	}
}

func FuzzBarrierGarbage(f *testing.F) {
	add := func(word barrierWord, parties, used uint32, seats ...uint32) {
		b := make([]byte, 8+128+48*len(seats))
		*(*barrierWord)(unsafe.Pointer(&b[0])) = word
		*(*uint32)(unsafe.Pointer(&b[8])) = parties
		*(*uint32)(unsafe.Pointer(&b[8+16])) = used
		for i, s := range seats {
			*(*uint32)(unsafe.Pointer(&b[8+128+48*i])) = s
		}
		f.Add(b)
	}
	add(0, 2, 0)
	add(2*barrierArrival, 2, 0)
	add(3*barrierArrival, 2, 1)
	add(barrierBroken|barrierSleepers, 1, 1<<31)
	add(^barrierWord(0), ^uint32(0), ^uint32(0))
	add(^barrierWord(0)&^barrierBroken, maxParties, ^uint32(0))
	add(barrierSleepers, 2, 3, robust.OwnerDied, robust.TIDMask, robust.Waiters)
	add(0, 2, 4, 1, uint32(os.Getpid()), robust.OwnerDied|robust.Waiters|1, ^uint32(0))
	f.Fuzz(func(t *testing.T, g []byte) {
		for _, place := range places {
			m, _ := newBar(t, place, 2)
			m.b.garbage(g)
			barUse(t, &m.b)
			require.NoError(t, m.b.Leave())
			require.NoError(t, m.b.Init(1))
			_, err := m.b.Wait(context.Background())
			require.NoError(t, err)
		}
	})
}

// Garbage that changes while we run.
func TestBarrierGarbageWhileRunning(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newBar(t, place, 2)
		var stop atomic.Bool
		hostile := start(func() error {
			for !stop.Load() {
				switch rand.IntN(6) {
				case 0:
					m.b.word.Store(rand.Uint64())
				case 1:
					m.b.word.Store(rand.Uint64N(4) * barrierArrival)
				case 2:
					m.b.parties.Store(rand.Uint32N(4))
				case 3:
					m.b.used.Store(rand.Uint32N(300))
				case 4:
					m.b.seats[1+rand.IntN(4)].Word.Store(rand.Uint32())
				case 5:
					m.b.timeout.Store(rand.Uint64())
				}
				time.Sleep(time.Microsecond) // sleep: leave the victim some time between two blows
			}
			return nil
		})
		for range 50 {
			barUse(t, &m.b)
		}
		stop.Store(true)
		require.NoError(t, result(t, hostile))
		require.NoError(t, m.b.Leave())
		require.NoError(t, m.b.Init(1))
		_, err := m.b.Wait(context.Background())
		require.NoError(t, err)
	})
}
