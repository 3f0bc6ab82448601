//go:build !explore

package semaphore

import (
	"context"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// event.setter waits for one event, and then sets and clears the other, for which
// the survivors wait. Args: place.
var _ = testproc.Helper("event.setter", func(c *testproc.Child) {
	m, _, _ := mapMemory(c, c.Files[0], c.Args[0])
	e := eventsIn(m)
	require.NoError(c, e.back.Wait(context.Background()))
	e.there.Set()
	e.there.Clear() // unless a survivor is faster
	e.back.Clear()
})

// event.waiter waits, and sets and clears in its turn. Args: place.
var _ = testproc.Helper("event.waiter", func(c *testproc.Child) {
	m, _, _ := mapMemory(c, c.Files[0], c.Args[0])
	e := eventIn(m)
	require.NoError(c, e.Wait(context.Background()))
	c.WriteLine("went on")
	for range 100 {
		e.Set()
		e.Clear()
	}
})

// eventWalk is the scene of both walks: three wait, victims set and clear once.
// If a victim has come to its Set, all three go on without anybody's help; else
// somebody else's Set wakes them.
func eventWalk(t *testing.T, v *testproc.Victim, place string, victims int, see func(victims []*testproc.Proc)) (ps []*testproc.Proc) {
	e, m, f := newEvent(t, "near")
	var survivors []*testproc.Proc
	for i := range 3 {
		survivors = append(survivors, testproc.Start(t, "event.waiter", testproc.Files(f), testproc.Args(places[i%2])))
	}
	awaitEventSleepers(t, e, 3)
	for range victims {
		ps = append(ps, v.Start("event.setter", testproc.Files(f), testproc.Args(place)))
	}
	back := &eventsIn(m).back
	await(t, func() bool { return v.Fired() || eventSleepersOf(back) == victims })
	back.Set()
	see(ps)
	if changes(e.word.Load()) == 0 { // no victim has come so far
		e.Set()
		e.Clear()
	}
	for _, p := range survivors {
		p.Expect("went on")
		p.Succeed()
	}
	return ps
}

var eventPoints = []string{"event."}

// X02: whatever waiters and setters die, everybody whom a Set concerned goes on.
func TestEventCrashWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, place := range places {
		for _, victims := range []int{1, 2} {
			scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
				eventWalk(t, v, place, victims, func(victims []*testproc.Proc) {
					for _, p := range victims {
						if s := p.Wait().Sys().(syscall.WaitStatus); !s.Signaled() {
							p.Succeed()
						}
					}
				})
			})
		}
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: eventPoints}, scenarios...)
}

// Whoever is stopped, setter or waiter, holds up nobody.
func TestEventStopWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, place := range places {
		scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
			for _, p := range eventWalk(t, v, place, 1, func(ps []*testproc.Proc) { ps[0].WaitStopped() }) {
				p.Cont()
				p.Succeed()
			}
		})
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: eventPoints, Stop: true}, scenarios...)
}
