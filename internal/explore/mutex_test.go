//go:build explore

package explore

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/stretchr/testify/require"
)

// account is shared memory with a mutex and what it protects: two words that
// are equal whenever nobody is inside.
type account struct {
	mu     *semaphore.Mutex
	a, b   *uint64
	inside *uint32 // ghost: TID of who is inside
}

const accountSize = 128

func newAccount(w *World) *account {
	w.Robust(At[mem.Uint32](w, 0)) // the word of the mutex
	return &account{At[semaphore.Mutex](w, 0), At[uint64](w, 64), At[uint64](w, 72), At[uint32](w, 80)}
}

// use is what a process does inside. It fails if another living process is
// there, or if a dead one left a mess of which nobody was told.
func (a *account) use(w *World, p *Proc) {
	if other := *a.inside; other != 0 && !w.procs[other-1].Ended() {
		p.Fail("P%d is inside too", other-1)
	}
	if *a.a != *a.b {
		p.Fail("got an inconsistent account: %d, %d", *a.a, *a.b)
	}
	*a.inside = p.tid()
	*a.a++
	p.Step()
	*a.b++
	*a.inside = 0
}

// repair is what LockRepair runs.
func (a *account) repair() error {
	*a.b = *a.a
	*a.inside = 0
	return nil
}

// lock locks as a user who repairs would.
func (a *account) lock(ctx context.Context) error {
	err := a.mu.LockContext(ctx)
	if errors.Is(err, semaphore.ErrOwnerDied) {
		err = a.mu.LockRepair(ctx, a.repair)
	}
	return err
}

// mutexModel is n processes that each lock, use and unlock, rounds times.
func mutexModel(n, rounds, deaths int) Model {
	return Model{Memory: accountSize, Deaths: deaths, Setup: func(w *World) {
		a := newAccount(w)
		for range n {
			w.Go(func(p *Proc) {
				for i := range rounds {
					if err := a.lock(context.Background()); err != nil {
						p.Fail("lock: %v", err)
					}
					a.use(w, p)
					a.mu.Unlock()
					p.Forget(uint64(i))
				}
			})
		}
		w.Final = func() error {
			if _, held := a.mu.Owner(); held {
				return errors.New("held by nobody who lives")
			}
			if w.Deaths() == 0 && *a.a != uint64(n*rounds) {
				return fmt.Errorf("%d rounds left %d", n*rounds, *a.a)
			}
			return nil
		}
	}}
}

func TestMutex(t *testing.T) {
	for _, c := range []struct{ n, rounds, deaths int }{
		{2, 1, 0}, {2, 2, 0}, {3, 1, 0},
		{2, 1, 1}, {2, 1, 2}, {2, 2, 1}, {3, 1, 1}, {3, 1, 2},
	} {
		t.Run(fmt.Sprintf("%d processes, %d rounds, %d deaths", c.n, c.rounds, c.deaths), func(t *testing.T) {
			if testing.Short() && c.n > 2 && c.deaths > 1 {
				t.Skip("takes long")
			}
			rep := Run(mutexModel(c.n, c.rounds, c.deaths))
			t.Log(rep)
			if rep.Violation != nil {
				t.Fatal(rep.Violation)
			}
			if c.deaths == 0 {
				require.Zero(t, rep.Looks, "a wake was lost")
			}
		})
	}
}
