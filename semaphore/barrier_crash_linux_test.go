//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// barTarget is after how many actions a walk ends.
const barTarget = 60

// meetUntil meets, and repairs what breaks, until enough actions were run. Then
// it aborts, so that nobody waits for those who have left.
func (m *barMemory) meetUntil(target int, way int) error {
	b := &m.b
	for i := way; int(m.acts.Load()) < target; i++ {
		ctx, cancel := context.Background(), func() {}
		if i%7 == 0 {
			ctx, cancel = context.WithTimeout(ctx, 100*time.Microsecond)
		}
		wait := func() (int, error) { return b.Wait(ctx) }
		if i%3 != 0 {
			wait = func() (int, error) {
				return b.WaitAction(ctx, func() error { m.acts.Add(1); return nil })
			}
		}
		index, err := wait()
		cancel()
		switch {
		case err == nil && index >= 0 && index < b.Parties():
			m.gave[index].Add(1)
		case err == nil || index != -1:
			return fmt.Errorf("number %d, error %w", index, err)
		case errors.Is(err, ErrBroken):
			if b.Broken() {
				err = b.Reset(context.Background())
			} else {
				err = nil
			}
		case errors.Is(err, context.DeadlineExceeded):
			err = nil // too early to come
		}
		if err != nil {
			return err
		}
	}
	b.Abort()
	return nil
}

// barrier.victim passes all points. One who has joined is dead when it begins.
// Args: place, and for how many milliseconds it waits for a look.
var _ = testproc.Helper("barrier.victim", func(c *testproc.Child) {
	m, _, _ := barMap(c, c.Files[0], c.Args[0])
	b := &m.b
	require.NoError(c, b.Reset(context.Background()))
	require.NoError(c, b.Join())
	require.NoError(c, b.Leave())
	ms, err := strconv.Atoi(c.Args[1])
	require.NoError(c, err)
	_ = barWait(b, time.Duration(ms)*time.Millisecond) // sleeps, and mostly breaks
	m.ready.Add(1)
	b.Abort()
	require.NoError(c, b.Reset(context.Background()))
	require.NoError(c, m.meetUntil(barTarget, 1))
	require.NoError(c, b.Leave())
	// Whether it has been the last to come above is luck. Another victim may have
	// died here.
	for _, action := range []func() error{nil, func() error { return nil }} {
		if _, err = m.alone.WaitAction(context.Background(), action); err != nil {
			require.ErrorIs(c, err, ErrBroken)
		}
	}
	require.NoError(c, m.alone.Leave())
})

// barrier.survivor meets until enough actions were run. Args: place, way.
var _ = testproc.Helper("barrier.survivor", func(c *testproc.Child) {
	m, _, _ := barMap(c, c.Files[0], c.Args[0])
	way, err := strconv.Atoi(c.Args[1])
	require.NoError(c, err)
	require.NoError(c, m.meetUntil(barTarget, way))
	require.NoError(c, m.b.Leave())
})

// Reset and Abort come at any moment of a phase: each phase ends in one way for all
// its parties, so each number is given equally often.
func TestBarrierResetAndAbortRaces(t *testing.T) {
	m, f := newBar(t, "near", 3)
	var ps []*testproc.Proc
	for i := range 3 {
		ps = append(ps, testproc.Start(t, "barrier.survivor", testproc.Files(f), testproc.Args(places[i%2], strconv.Itoa(i))))
	}
	for i := 0; m.acts.Load() < barTarget; i++ {
		acts := m.acts.Load()
		await(t, func() bool { return m.b.Waiting() >= i%3 || m.acts.Load() > acts })
		if i%2 == 0 {
			m.b.Abort()
		}
		require.NoError(t, m.b.Reset(t.Context()))
		// Whoever oversleeps 16 phases cannot know any more how its own ended.
		await(t, func() bool { return m.acts.Load() > acts })
	}
	await(t, func() bool {
		m.b.Abort() // some may be about to wait for one who has left
		return exited(ps)
	})
	for _, p := range ps {
		p.Succeed()
	}
	require.Equal(t, m.gave[0].Load(), m.gave[1].Load())
	require.Equal(t, m.gave[0].Load(), m.gave[2].Load())
}

// barWalk is the scene of both walks: a party is dead, victims come and reset and
// pass the points, and then they meet with three survivors, who are enough. See
// checks what has become of the victims.
func barWalk(t *testing.T, v *testproc.Victim, place string, victims int, see func(m *barMemory, victims, survivors []*testproc.Proc)) {
	m, f := newBar(t, "near", 3)
	dead := barParties(t, f, "near", 1)[0]
	tell(dead, "join", "OK")
	dead.Kill()
	await(t, m.b.Broken)
	var ps, survivors []*testproc.Proc
	ms := "1"
	if v.Point == "barrier.watched" { // after a look
		ms = "500"
	}
	for range victims {
		ps = append(ps, v.Start("barrier.victim", testproc.Files(f), testproc.Args(place, ms)))
	}
	await(t, func() bool { return v.Fired() || int(m.ready.Load()) == victims })
	for i := range 3 {
		survivors = append(survivors, testproc.Start(t, "barrier.survivor", testproc.Files(f), testproc.Args(places[i%2], strconv.Itoa(i))))
	}
	see(m, ps, survivors)
	acts := m.acts.Load()
	for i := range 3 {
		// An action may have been run in vain, or its phase completed by Wait.
		require.NotZero(t, m.gave[i].Load(), "after %d actions nobody was number %d", acts, i)
	}
	// Nobody is left but who is dead.
	require.NoError(t, m.b.Reset(t.Context()))
	var done []<-chan error
	for range 3 {
		done = append(done, start(func() error { _, err := m.b.Wait(context.Background()); return err }))
	}
	for _, d := range done {
		require.NoError(t, result(t, d))
	}
}

// At whatever point a process dies, or two, the others go on.
func TestBarrierCrashWalkX03(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for i, victims := range []int{1, 2} {
		scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
			barWalk(t, v, places[i], victims, func(m *barMemory, victims, survivors []*testproc.Proc) {
				for _, p := range victims {
					if s := p.Wait().Sys().(syscall.WaitStatus); !s.Signaled() {
						p.Succeed()
					}
				}
				for _, p := range survivors {
					p.Succeed()
				}
			})
		})
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: []string{"barrier."}, Hits: 2}, scenarios...)
}

// needsActor checks that those who wait for a stopped one's action do so, until
// somebody resets without it or they are done.
func (m *barMemory) needsActor(t *testing.T, survivors []*testproc.Proc) {
	acts := func() bool {
		w := barrierWord(m.b.word.Load())
		return !w.broken() && w.arrived() == 3
	}
	await(t, func() bool { return acts() || exited(survivors) })
	phase := func() uint32 { return barrierWord(m.b.word.Load()).phase() }
	if p := phase(); acts() {
		// It may be a survivor's action: then this one may be let in later.
		if _, err := m.b.Wait(timeout(t, time.Millisecond)); err == nil {
			require.NotEqual(t, p, phase())
		}
	}
}

// At whatever point a process stops, only those wait who need it: while it runs
// the action.
func TestBarrierStopWalk(t *testing.T) {
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: []string{"barrier."}, Stop: true}, func(t *testing.T, v *testproc.Victim) {
		barWalk(t, v, "near", 1, func(m *barMemory, victims, survivors []*testproc.Proc) {
			p := victims[0]
			if p.WaitStopped() {
				if v.Point == "barrier.acting" || v.Point == "barrier.acted" {
					m.needsActor(t, survivors)
				} else {
					await(t, func() bool { return exited(survivors) })
				}
				p.Cont()
			}
			p.Succeed()
			for _, s := range survivors {
				s.Succeed()
			}
		})
	})
}
