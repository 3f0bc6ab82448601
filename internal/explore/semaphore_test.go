//go:build explore

package explore

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/semaphore"
	"github.com/stretchr/testify/require"
)

// permits is shared memory with a semaphore and, for each process, what it has
// taken or may have: ghosts, by which permits are accounted for.
type permits struct {
	w     *World
	s     *semaphore.Semaphore
	total int

	scarce bool // there are not enough for all
}

const permitsSize = 64

func newPermits(w *World, value, total int) *permits {
	m := &permits{w: w, s: At[semaphore.Semaphore](w, 0), total: total}
	if err := m.s.Init(value, total); err != nil {
		panic(err)
	}
	return m
}

func (m *permits) has(p *Proc) *uint32     { return At[uint32](m.w, 32+8*p.ID) }
func (m *permits) mayHave(p *Proc) *uint32 { return At[uint32](m.w, 36+8*p.ID) }

func (m *permits) take(p *Proc, ctx context.Context, n int) error {
	*m.mayHave(p) = uint32(n)
	err := m.s.Acquire(ctx, n)
	if err != nil {
		n = 0
	}
	*m.has(p), *m.mayHave(p) = uint32(n), uint32(n)
	return err
}

func (m *permits) give(p *Proc, n int) {
	*m.has(p) = 0
	if err := m.s.Release(n); err != nil {
		p.Fail("release: %v", err)
	}
	*m.mayHave(p) = 0
}

// account lets the model check that permits come from nowhere never, and go
// nowhere but with the dead.
func (m *permits) account() {
	m.w.Invariant = func() error {
		n := m.s.Value()
		for _, p := range m.w.procs {
			n += int(*m.has(p))
		}
		if n > m.total {
			return fmt.Errorf("%d permits of %d", n, m.total)
		}
		return nil
	}
	m.w.Final = func() error {
		missing := m.total - m.s.Value()
		for _, p := range m.w.procs {
			if p.Dead() {
				missing -= int(*m.mayHave(p)) // at most
			} else {
				missing -= int(*m.has(p))
			}
		}
		if missing > 0 {
			return fmt.Errorf("%v at the end: %d permits are missing", m.s, missing)
		}
		return nil
	}
	// The dead may have had all the permits: then whoever wants more than are
	// left waits with reason.
	m.w.Excuse = func() bool {
		for _, p := range m.w.procs {
			if !p.Ended() && int(*m.mayHave(p)) <= m.s.Value() {
				return false
			}
		}
		return m.w.Deaths() > 0 || m.scarce
	}
}

// passing is processes that each take so many of total permits, at once, and
// give them back.
func passing(total, deaths int, takes ...int) Model {
	return Model{Memory: permitsSize, Deaths: deaths, Setup: func(w *World) {
		m := newPermits(w, total, total)
		for _, n := range takes {
			w.Go(func(p *Proc) {
				if err := m.take(p, context.Background(), n); err != nil {
					p.Fail("acquire: %v", err)
				}
				p.Step()
				m.give(p, n)
			})
		}
		m.account()
	}}
}

// giving is processes that each want so many permits, and keep them, and one
// that gives some, each number at once.
func giving(deaths int, gives []int, takes ...int) Model {
	return Model{Memory: permitsSize, Deaths: deaths, Setup: func(w *World) {
		m := newPermits(w, 0, 0)
		giver := w.Go(func(p *Proc) {
			for _, n := range gives {
				m.give(p, n)
			}
		})
		giver.Immortal = deaths > 0
		want := 0
		for _, n := range gives {
			m.total += n
		}
		for _, n := range takes {
			want += n
			w.Go(func(p *Proc) {
				if err := m.take(p, context.Background(), n); err != nil {
					p.Fail("acquire: %v", err)
				}
			})
		}
		m.scarce = m.total < want
		m.account()
	}}
}

func exploreSemaphore(t *testing.T, m Model) {
	rep := Run(m)
	t.Log(rep)
	if rep.Violation != nil {
		t.Fatal(rep.Violation)
	}
	if m.Deaths == 0 {
		require.Zero(t, rep.Looks, "a wake was lost")
	}
}

// Two processes contend, with every number of deaths.
func TestSemaphore(t *testing.T) {
	for _, takes := range [][]int{{1, 1}, {1, 2}, {2, 2}} {
		for deaths := range 3 {
			total := max(takes[0], takes[1])
			t.Run(fmt.Sprintf("%d permits, acquire %v, %d deaths", total, takes, deaths), func(t *testing.T) {
				exploreSemaphore(t, passing(total, deaths, takes...))
			})
		}
	}
}

// Two that want one or two permits wait for a third who gives them, one by one or
// all at once: no wake is eaten by one for whom it was not.
func TestSemaphoreGiven(t *testing.T) {
	for _, c := range []struct {
		gives, takes []int
		deaths       int
		long         bool
	}{
		{[]int{2}, []int{1, 1}, 0, false}, {[]int{1}, []int{1, 1}, 1, false},
		{[]int{3}, []int{1, 2}, 0, false}, {[]int{2}, []int{1, 2}, 1, true},
		{[]int{4}, []int{2, 2}, 0, false}, {[]int{2}, []int{2, 2}, 1, false},
		{[]int{1, 1}, []int{1, 1}, 0, true}, {[]int{2, 2}, []int{2, 2}, 0, true},
	} {
		t.Run(fmt.Sprintf("release %v, acquire %v, %d deaths", c.gives, c.takes, c.deaths), func(t *testing.T) {
			if c.long && !*exploreLong {
				t.Skip("takes long: see -explore.long")
			}
			exploreSemaphore(t, giving(c.deaths, c.gives, c.takes...))
		})
	}
}

// Three processes contend. This takes minutes:
//
//	go test -tags explore -run TestSemaphoreLong ./internal/explore -explore.long
//
// The last results:
//
//	1 permit,  [1 1 1]:           1481793 states, 0 needed the look
//	2 permits, [1 1 2]:           1649948 states, 0 needed the look
//	2 permits, [1 2 2]:           3924295 states, 0 needed the look
//	3 permits, [2 2 1]:           1602325 states, 0 needed the look
//	3 permits, [1 2 2], 1 death:  1941443 states, 316 schedules needed the look
//	release [1 2], acquire [1 2]:   564698 states, 0 needed the look
//	release [1 1 1], acquire [1 2]: 8671502 states, 0 needed the look
func TestSemaphoreLong(t *testing.T) {
	if !*exploreLong {
		t.Skip("takes minutes: see -explore.long")
	}
	for _, takes := range [][]int{{1, 1, 1, 1}, {2, 1, 1, 2}, {2, 1, 2, 2}, {3, 2, 2, 1}} {
		exploreSemaphore(t, passing(takes[0], 0, takes[1:]...))
	}
	exploreSemaphore(t, passing(3, 1, 1, 2, 2))
	exploreSemaphore(t, giving(0, []int{1, 2}, 1, 2))
	exploreSemaphore(t, giving(0, []int{1, 1, 1}, 1, 2))
}

// One gives up at any step while another waits: it takes no wake with it.
func TestSemaphoreCancelled(t *testing.T) {
	for _, takes := range [][]int{{1, 1}, {2, 1}, {1, 2}, {2, 2}} {
		t.Run(fmt.Sprint(takes), func(t *testing.T) {
			if takes[1] == 2 && !*exploreLong {
				t.Skip("takes long: see -explore.long")
			}
			exploreSemaphore(t, Model{Memory: permitsSize, Setup: func(w *World) {
				m := newPermits(w, 0, 0)
				m.total = takes[1]
				var hasty *Proc
				w.Go(func(p *Proc) {
					m.give(p, takes[1])
					hasty.Cancel()
				})
				hasty = w.Go(func(p *Proc) {
					switch err := m.take(p, p.Context(), takes[0]); {
					case err == nil:
						m.give(p, takes[0])
					case !errors.Is(err, context.Canceled):
						p.Fail("acquire: %v", err)
					}
				})
				w.Go(func(p *Proc) {
					if err := m.take(p, context.Background(), takes[1]); err != nil {
						p.Fail("acquire: %v", err)
					}
				})
				m.account()
			}})
		})
	}
}
