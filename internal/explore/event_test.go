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

const (
	eventIsSet     = 1
	eventSleepers  = 1 << 31
	eventMemory    = 64
	eventLowMask   = 1<<32 - 1
	eventLowChange = eventLowMask &^ eventSleepers
)

// eventIn places an event whose word nobody may leave set with sleepers.
func eventIn(w *World) *semaphore.Event {
	word := At[uint64](w, 0)
	w.Invariant = func() error {
		if *word&eventIsSet != 0 && *word&eventSleepers != 0 {
			return fmt.Errorf("set, and somebody will sleep: %#x", *word)
		}
		return nil
	}
	// Whoever waits when all have done their part came after the last change.
	w.Excuse = func() bool {
		for _, p := range w.procs {
			if p.state == asleep && (*word&eventIsSet != 0 || uint64(p.sleep.words[0].Val)&eventLowChange != *word&eventLowChange) {
				return false
			}
		}
		return true
	}
	return At[semaphore.Event](w, 0)
}

func waitFor(p *Proc, e *semaphore.Event, ctx context.Context) {
	if err := e.Wait(ctx); err != nil {
		p.Fail("wait: %v", err)
	}
}

// V15, X04: Set and Clear as soon as two sleep; both go on.
func eventPulse(deaths int) Model {
	return Model{Memory: eventMemory, Deaths: deaths, Setup: func(w *World) {
		e := eventIn(w)
		var waiters []*Proc
		for range 2 {
			waiters = append(waiters, w.Go(func(p *Proc) { waitFor(p, e, context.Background()) }))
		}
		setter := w.Go(func(p *Proc) {
			p.Until(func() bool {
				for _, q := range waiters {
					if q.state != asleep && !q.Ended() {
						return false
					}
				}
				return true
			})
			e.Set()
			e.Clear()
		})
		excuse := w.Excuse
		w.Excuse = func() bool { return setter.Dead() && excuse() }
	}}
}

// Waiters come whenever they like, while setters set and clear; the last word is
// a Set, unless somebody dies or clears it.
func eventRace(setters [][]bool, waiters, deaths int) Model {
	return Model{Memory: eventMemory, Deaths: deaths, Setup: func(w *World) {
		e := eventIn(w)
		for _, sets := range setters {
			w.Go(func(p *Proc) {
				for i, set := range sets {
					if set {
						e.Set()
					} else {
						e.Clear()
					}
					p.Forget(uint64(i))
				}
			})
		}
		for range waiters {
			w.Go(func(p *Proc) { waitFor(p, e, context.Background()) })
		}
		if len(setters) == 1 && setters[0][len(setters[0])-1] {
			excuse := w.Excuse
			w.Excuse = func() bool { return w.Deaths() > 0 && excuse() }
		}
	}}
}

func TestEvent(t *testing.T) {
	const set, clear = true, false
	for name, m := range map[string]Model{
		"pulse":                         eventPulse(0),
		"pulse, a death":                eventPulse(1),
		"pulse, two deaths":             eventPulse(2),
		"set":                           eventRace([][]bool{{set}}, 2, 0),
		"set, clear, set":               eventRace([][]bool{{set, clear, set}}, 2, 0),
		"set, clear, set, a death":      eventRace([][]bool{{set, clear, set}}, 2, 1),
		"two setters":                   eventRace([][]bool{{set, clear}, {set}}, 1, 0),
		"two setters, a death":          eventRace([][]bool{{set, clear}, {set}}, 1, 1),
		"two that set and clear":        eventRace([][]bool{{set, clear}, {set, clear}}, 1, 0),
		"two that set and clear, death": eventRace([][]bool{{set, clear}, {set, clear}}, 1, 1),
	} {
		t.Run(name, func(t *testing.T) {
			rep := Run(m)
			t.Log(rep)
			if rep.Violation != nil {
				t.Fatal(rep.Violation)
			}
			if m.Deaths == 0 {
				require.Zero(t, rep.Looks, "a wake was lost")
			}
		})
	}
}

// A wait is called back at any step: it ends with success if a Set came first,
// and takes nobody else's wake with it.
func TestEventCancelled(t *testing.T) {
	for i := range 4 {
		setFirst, deaths := i%2 == 0, i/2
		rep := Run(Model{Memory: eventMemory, Deaths: deaths, Setup: func(w *World) {
			e := eventIn(w)
			wasSet := At[uint32](w, 32) // ghost
			hasty := w.Go(func(p *Proc) {
				err := e.Wait(p.Context())
				if errors.Is(err, context.Canceled) && *wasSet == 0 {
					return
				}
				if err != nil {
					p.Fail("wait: %v, though set before", err)
				}
			})
			w.Go(func(p *Proc) { waitFor(p, e, context.Background()) })
			setter := w.Go(func(p *Proc) {
				p.Until(func() bool { return hasty.state == asleep || hasty.Ended() })
				if setFirst {
					e.Set()
					*wasSet = 1
				}
				hasty.Cancel()
				e.Set()
				e.Clear()
				e.Set()
			})
			excuse := w.Excuse
			w.Excuse = func() bool { return setter.Dead() && excuse() }
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

// The word's halves are one number: the explorer, too, sees the low one change.
func TestEventCarry(t *testing.T) {
	rep := Run(Model{Memory: eventMemory, Setup: func(w *World) {
		e := eventIn(w)
		At[mem.Uint64](w, 0).Store(1<<31 - 2)
		w.Go(func(p *Proc) { waitFor(p, e, context.Background()) })
		w.Go(func(p *Proc) {
			e.Set()
			e.Clear()
			e.Set()
		})
	}})
	t.Log(rep)
	if rep.Violation != nil {
		t.Fatal(rep.Violation)
	}
	require.Zero(t, rep.Looks, "a wake was lost")
}
