//go:build explore

package explore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/stretchr/testify/require"
)

// meeting is shared memory with a barrier and ghosts, by round or by process.
type meeting struct {
	w *World
	b *semaphore.Barrier
}

const (
	meetingGhosts = 12544 // the size of a Barrier
	meetingSize   = meetingGhosts + 128
	meetingUsed   = 144 // offset of the number of seats
	meetingSeats  = 256 // offset of the cells, of 48 bytes each
)

func (m *meeting) ghost(kind, i int) *uint32 { return At[uint32](m.w, meetingGhosts+16*kind+4*i) }

func (m *meeting) came(p int) *uint32     { return m.ghost(0, p) }     // to how many rounds
func (m *meeting) got(round int) *uint32  { return m.ghost(1, round) } // which numbers were given, by bits
func (m *meeting) ran(round int) *uint32  { return m.ghost(2, round) } // how many actions
func (m *meeting) ends(round int) *uint32 { return m.ghost(3, round) } // how it ended
func (m *meeting) gave(i int) *uint32     { return m.ghost(4, i) }     // how often number i was given

const (
	endsComplete = 1
	endsBroken   = 2
)

func newMeeting(w *World, parties, procs int) *meeting {
	m := &meeting{w, At[semaphore.Barrier](w, 0)}
	if err := m.b.Init(parties); err != nil {
		panic(err)
	}
	for i := range procs {
		w.Robust(m.seat(i))
	}
	return m
}

// join lets p have joined before anybody moves.
func (m *meeting) join(p *Proc) {
	m.w.run.quietly(p, func() bool {
		if err := m.b.Join(); err != nil {
			panic(err)
		}
		return true
	})
}

func (m *meeting) seat(i int) *mem.Uint32 { return At[mem.Uint32](m.w, meetingSeats+48*i) }

// unknown says whether somebody died of whom the barrier did not know.
func (m *meeting) unknown() bool {
	dead := 0
	for i, p := range m.w.procs {
		if p.Dead() {
			dead++
		}
		if robust.StateOf(m.seat(i).Load()) == robust.Dead {
			dead--
		}
	}
	return dead > 0
}

// round is what a party does in a round: it may go on only when all have come.
// It returns false when the barrier is broken.
func (m *meeting) round(p *Proc, i int, action bool) bool {
	*m.came(p.ID) = uint32(i) + 1
	wait := m.b.Wait
	if action {
		wait = func(ctx context.Context) (int, error) {
			return m.b.WaitAction(ctx, func() error {
				if *m.ends(i) != 0 {
					p.Fail("action of round %d after its end", i)
				}
				*m.ran(i)++
				p.Step()
				return nil
			})
		}
	}
	index, err := wait(context.Background())
	end := uint32(endsComplete)
	if err != nil {
		end = endsBroken
		if !errors.Is(err, semaphore.ErrBroken) || m.w.Deaths() == 0 {
			p.Fail("wait: %v", err)
		}
	}
	if was := *m.ends(i); was != 0 && was != end {
		p.Fail("round %d ended in two ways", i)
	}
	*m.ends(i) = end
	if err != nil {
		return false
	}
	for o := range m.w.procs {
		if *m.came(o) < uint32(i)+1 {
			p.Fail("goes on before P%d has come to round %d", o, i)
		}
	}
	if bit := uint32(1) << index; *m.got(i)&bit != 0 {
		p.Fail("number %d again", index)
	} else {
		*m.got(i) |= bit
	}
	if action && *m.ran(i) != 1 {
		p.Fail("%d actions in round %d", *m.ran(i), i)
	}
	return true
}

// barrierModel is parties that meet so many times, and have joined before or not.
func barrierModel(parties, rounds, deaths int, action, joined bool) Model {
	return Model{Memory: meetingSize, Deaths: deaths, Setup: func(w *World) {
		m := newMeeting(w, parties, parties)
		for range parties {
			p := w.Go(func(p *Proc) {
				for i := range rounds {
					if !m.round(p, i, action) {
						if _, err := m.b.Wait(context.Background()); !errors.Is(err, semaphore.ErrBroken) {
							p.Fail("wait at a broken barrier: %v", err)
						}
						return
					}
					p.Forget(uint64(i))
				}
				if joined {
					return
				}
				if err := m.b.Leave(); err != nil {
					p.Fail("leave: %v", err)
				}
			})
			if joined {
				m.join(p)
			}
		}
		w.Final = func() error {
			for i := range rounds {
				if deaths == 0 && *m.got(i) != 1<<parties-1 {
					return fmt.Errorf("round %d gave numbers %b", i, *m.got(i))
				}
			}
			return nil
		}
		w.Excuse = m.unknown
	}}
}

func TestBarrier(t *testing.T) {
	for _, c := range []struct {
		parties, rounds, deaths int
		action, joined          bool
	}{
		{1, 3, 1, true, false},
		{2, 1, 0, false, false},
		{2, 1, 1, false, false},
		{2, 2, 0, false, true},
		{2, 2, 1, false, true},
		{2, 1, 0, true, true},
		{2, 1, 1, true, true},
		{2, 1, 2, true, true},
		{3, 1, 0, false, true},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			if c.parties > 2 && !*exploreLong {
				t.Skip("takes minutes: see -explore.long")
			}
			exploreBarrier(t, barrierModel(c.parties, c.rounds, c.deaths, c.action, c.joined), false)
		})
	}
}

func exploreBarrier(t *testing.T, model Model, mayWait bool) {
	rep := Run(model)
	t.Log(rep)
	if rep.Violation != nil {
		t.Fatal(rep.Violation)
	}
	if model.Deaths == 0 && !mayWait {
		require.Zero(t, rep.Looks, "a wake was lost")
	}
}

// What can go wrong on purpose: one party gives up at any step, another process
// resets or aborts at any step, and more come than there are parties. Numbers are
// given in pairs, and nobody waits for ever but the one who is left over.
func TestBarrierTrouble(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		deaths, joined int // the first ones
		long           bool
		programs       []func(*meeting, *Proc)
	}{
		"give up": {0, 2, false, []func(*meeting, *Proc){
			func(m *meeting, p *Proc) { m.meet(p, p.Context()) },
			func(m *meeting, p *Proc) {
				m.w.procs[0].Cancel()
				m.meet(p, ctx)
			},
		}},
		"reset": {0, 2, true, []func(*meeting, *Proc){
			func(m *meeting, p *Proc) { m.meet(p, ctx) },
			func(m *meeting, p *Proc) { m.meet(p, ctx) },
			func(m *meeting, p *Proc) { m.reset(p) },
		}},
		"reset, one may die": {1, 1, false, []func(*meeting, *Proc){
			func(m *meeting, p *Proc) { m.meet(p, ctx) },
			func(m *meeting, p *Proc) { m.reset(p); m.b.Abort() },
		}},
		"bury": {1, 1, false, []func(*meeting, *Proc){
			func(m *meeting, p *Proc) {
				if m.meet(p, ctx) {
					p.Fail("the dead one was overlooked")
				}
			},
			func(m *meeting, p *Proc) { m.reset(p); m.b.Abort() },
			nil,
		}},
		"enough come without the dead": {1, 2, false, []func(*meeting, *Proc){
			func(m *meeting, p *Proc) {
				if m.meet(p, ctx) {
					p.Fail("the dead one was overlooked")
				}
			},
			func(m *meeting, p *Proc) {
				if m.meet(p, ctx) {
					p.Fail("the dead one was overlooked")
				}
			},
			nil,
		}},
		"abort": {0, 2, false, []func(*meeting, *Proc){
			func(m *meeting, p *Proc) { m.meet(p, ctx) },
			func(m *meeting, p *Proc) { m.meet(p, ctx) },
			func(m *meeting, p *Proc) { m.b.Abort() },
		}},
		"one too many":              {0, 2, false, []func(*meeting, *Proc){(*meeting).act, (*meeting).act}},
		"one too many, one may die": {1, 2, false, []func(*meeting, *Proc){(*meeting).act, (*meeting).act}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.long && !*exploreLong {
				t.Skip("takes minutes: see -explore.long")
			}
			exploreBarrier(t, Model{Memory: meetingSize, Deaths: c.deaths, Setup: func(w *World) {
				parties := 2
				if strings.HasPrefix(name, "one too many") {
					parties = 1
				}
				m := newMeeting(w, parties, len(c.programs))
				for i, program := range c.programs {
					if program == nil { // one who has joined and died
						m.seat(i).Store(robust.OwnerDied)
						At[mem.Uint32](w, meetingUsed).Store(uint32(i) + 1)
						continue
					}
					p := w.Go(func(p *Proc) {
						program(m, p)
						if err := m.b.Leave(); err != nil { // to end without is to die
							p.Fail("leave: %v", err)
						}
					})
					if i < c.joined {
						m.join(p)
					}
				}
				w.Final = func() error {
					if a, b := *m.gave(0), *m.gave(1); a != b && parties == 2 && w.Deaths() == 0 {
						return fmt.Errorf("number 0 was given %d times, number 1 %d times", a, b)
					}
					return nil
				}
				// Whoever waits alone, with nobody dead of whom the barrier knows.
				w.Excuse = func() bool { return m.b.Waiting() == 1 && !m.b.Broken() }
			}}, len(c.programs) > 2)
		})
	}
}

// meet waits once. It says whether all came.
func (m *meeting) meet(p *Proc, ctx context.Context) bool {
	index, err := m.b.Wait(ctx)
	if err == nil {
		*m.gave(index)++
	} else if !errors.Is(err, semaphore.ErrBroken) {
		p.Fail("wait: %v", err)
	}
	return err == nil
}

func (m *meeting) reset(p *Proc) {
	if err := m.b.Reset(context.Background()); err != nil {
		p.Fail("reset: %v", err)
	}
}

// act is a party of its own, with an action: never two at once.
func (m *meeting) act(p *Proc) {
	_, err := m.b.WaitAction(context.Background(), func() error {
		if *m.ran(0) != 0 && m.w.Deaths() == 0 {
			p.Fail("two actions at once")
		}
		*m.ran(0)++
		p.Step()
		*m.ran(0)--
		return nil
	})
	if err != nil && m.w.Deaths() == 0 {
		p.Fail("wait: %v", err)
	}
}
