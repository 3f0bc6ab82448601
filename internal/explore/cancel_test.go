//go:build explore

package explore

import (
	"context"
	"errors"
	"testing"

	"github.com/shmkit/shmkit/semaphore"
	"github.com/stretchr/testify/require"
)

// One process locks with a context that another one ends at any step, while a
// third waits: giving up must not take a wake with it.
func TestMutexCancelled(t *testing.T) {
	for deaths := range 2 {
		rep := Run(Model{Memory: accountSize, Deaths: deaths, Setup: func(w *World) {
			a := newAccount(w)
			enter := func(p *Proc, ctx context.Context) error {
				err := a.lock(ctx)
				if err == nil {
					a.use(w, p)
					a.mu.Unlock()
				}
				return err
			}
			var hasty *Proc
			w.Go(func(p *Proc) {
				if err := a.lock(context.Background()); err != nil {
					p.Fail("lock: %v", err)
				}
				a.use(w, p)
				hasty.Cancel()
				a.mu.Unlock()
			})
			hasty = w.Go(func(p *Proc) {
				if err := enter(p, p.Context()); err != nil && !errors.Is(err, context.Canceled) {
					p.Fail("lock: %v", err)
				}
			})
			w.Go(func(p *Proc) {
				if err := enter(p, context.Background()); err != nil {
					p.Fail("lock: %v", err)
				}
			})
		}})
		t.Log(rep)
		if rep.Violation != nil {
			t.Fatal(rep.Violation)
		}
		if deaths == 0 {
			require.Zero(t, rep.Looks, "a wake was lost")
		}
	}
}

// Marks get lost where a file was truncated or a peer spoiled its list: then the
// look finds the dead owner.
func TestMutexWithoutMarks(t *testing.T) {
	m := mutexModel(2, 1, 1)
	setup := m.Setup
	m.Setup = func(w *World) {
		setup(w)
		w.cells = nil
		w.Final = nil
	}
	rep := Run(m)
	t.Log(rep)
	if rep.Violation != nil {
		t.Fatal(rep.Violation)
	}
	require.Positive(t, rep.Looks)
}

// A repair that fails leaves the mutex to the next one.
func TestMutexRepairFails(t *testing.T) {
	failed := errors.New("cannot repair")
	rep := Run(Model{Memory: accountSize, Deaths: 1, Setup: func(w *World) {
		a := newAccount(w)
		w.Go(func(p *Proc) {
			if err := a.mu.Lock(); err != nil {
				return // only after a death, which was not this one's
			}
			a.use(w, p)
			a.mu.Unlock()
		})
		w.Go(func(p *Proc) {
			err := a.mu.LockRepair(context.Background(), func() error {
				p.Step()
				return failed
			})
			switch {
			case err == nil:
				a.use(w, p)
				a.mu.Unlock()
			case !errors.Is(err, failed):
				p.Fail("lock: %v", err)
			default:
				// Nobody else repairs, so it stays broken.
				if err := a.mu.TryLock(); !errors.Is(err, semaphore.ErrOwnerDied) && !errors.Is(err, semaphore.ErrLocked) {
					p.Fail("lock after a failed repair: %v", err)
				}
			}
		})
	}})
	t.Log(rep)
	if rep.Violation != nil {
		t.Fatal(rep.Violation)
	}
}
