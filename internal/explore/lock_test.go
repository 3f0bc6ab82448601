//go:build explore

package explore

import (
	"context"
	"errors"
	"testing"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/stretchr/testify/require"
)

func sleepOn(p *Proc, w *mem.Uint32) error { return futex.Sleep(p.Context(), w, 0, nil) }

// lock is the futex mutex of Drepper's "Futexes Are Tricky" (2011), mutex2,
// and what can be wrong with one.
type lock struct {
	word    *mem.Uint32
	mistake mistake
}

type mistake int

const (
	none        mistake = iota
	testThenSet         // takes the lock by a load and a store
	noWake              // the unlock wakes nobody
	noRecheck           // sleeps whatever the word holds by then
	oneForAll           // wakes one, but does not say that others may sleep
	spins               // never sleeps
)

func (l *lock) Lock() {
	if l.mistake == testThenSet {
		for l.word.Load() != 0 {
			futex.Sleep(context.Background(), l.word, 2, nil)
		}
		l.word.Store(2)
		return
	}
	if l.word.CompareAndSwap(0, 1) {
		return
	}
	taken := uint32(2)
	if l.mistake == oneForAll {
		taken = 1
	}
	for {
		w := l.word.Load()
		if w == 0 && l.word.CompareAndSwap(0, taken) {
			return
		}
		if l.mistake == spins {
			continue
		}
		if w == 1 && !l.word.CompareAndSwap(1, 2) {
			continue
		}
		if l.mistake == noRecheck {
			futex.Sleep(context.Background(), l.word, l.word.Load(), nil)
			continue
		}
		futex.Sleep(context.Background(), l.word, 2, nil)
	}
}

func (l *lock) Unlock() {
	old := l.word.Swap(0)
	if old == 2 && l.mistake != noWake {
		futex.Wake(l.word, 1)
	}
}

// locking is n processes that each go through the lock once. Inside, two words
// are unequal.
func locking(n int, m mistake) Model {
	return Model{Memory: 24, MaxSteps: 200, Setup: func(w *World) {
		l := &lock{At[mem.Uint32](w, 0), m}
		a, b := At[uint64](w, 8), At[uint64](w, 16)
		for range n {
			w.Go(func(p *Proc) {
				l.Lock()
				if *a != *b {
					p.Fail("two are inside")
				}
				*a++
				p.Step()
				*b++
				l.Unlock()
			})
		}
		w.Final = func() error {
			if w.Deaths() == 0 && (*a != uint64(n) || *b != *a) {
				return errors.New("an increment was lost")
			}
			return nil
		}
	}}
}

func TestLock(t *testing.T) {
	for n := 2; n <= 3; n++ {
		rep := Run(locking(n, none))
		t.Logf("futex lock, %d processes: %v", n, rep)
		require.Nil(t, rep.Violation)
		require.Zero(t, rep.Looks, "a wake was lost")
	}
}

// The explorer finds what is wrong. Where only a wake is lost, the look helps.
func TestMistakesAreFound(t *testing.T) {
	for m, want := range map[mistake]string{
		testThenSet: "two are inside",
		spins:       "livelock",
	} {
		rep := Run(locking(2, m))
		require.NotNil(t, rep.Violation)
		require.Contains(t, rep.Violation.What, want)
		require.NotEmpty(t, rep.Violation.Schedule)
	}
	for _, m := range []mistake{noWake, noRecheck, oneForAll} {
		rep := Run(locking(3, m))
		require.True(t, rep.Violation != nil || rep.Looks > 0, "mistake %d was not found: %v", m, rep)
	}
}

// A lock that is not robust leaves the others waiting.
func TestDeathOfHolderIsFound(t *testing.T) {
	m := locking(2, none)
	m.Deaths = 1
	rep := Run(m)
	require.NotNil(t, rep.Violation)
	require.Contains(t, rep.Violation.What, "stuck")
	t.Logf("as it should: %v", rep.Violation)
}
