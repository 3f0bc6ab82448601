//go:build explore

package explore

import (
	"context"
	"errors"
	"testing"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// Processes take an exclusive part one after the other, with death at any step:
// there is never more than one, a living one keeps its part, and a dead one's is
// taken over.
func TestPresence(t *testing.T) {
	for n := 2; n <= 3; n++ {
		rep := Run(Model{Memory: 128, Deaths: 1, MaxSteps: 100, Setup: func(w *World) {
			pres := At[robust.Presence](w, 0)
			inside := At[uint32](w, 64)
			w.Robust(At[mem.Uint32](w, 0))
			for i := range n {
				p := w.Go(func(p *Proc) {
					err := pres.Join(context.Background())
					if errors.Is(err, robust.ErrBusy) {
						return
					}
					if err != nil {
						p.Fail("join: %v", err)
					}
					if other := *inside; other != 0 && !w.procs[other-1].Ended() {
						p.Fail("P%d takes part too", other-1)
					}
					*inside = p.tid()
					p.Step()
					*inside = 0
					pres.Leave()
				})
				p.Immortal = i > 0 && n > 2 // any one of three may as well be the first
			}
			w.Final = func() error {
				if robust.StateOf(At[mem.Uint32](w, 0).Load()) == robust.Present {
					return errors.New("present, but nobody lives")
				}
				return nil
			}
		}})
		t.Log(rep)
		if rep.Violation != nil {
			t.Fatal(rep.Violation)
		}
	}
}
