//go:build explore

package explore

import (
	"errors"
	"fmt"
	"testing"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/stretchr/testify/require"
)

// pool is shared memory with permits and, for each process, how many it
// has for certain: ghosts.
type pool struct {
	p *semaphore.Permits
	w *World
}

const (
	poolSize  = int(unsafe.Sizeof(semaphore.Permits{}))
	poolSeats = 128 // where the first seat is, and how far apart they are
)

func (m *pool) has(p *Proc) *uint32 { return At[uint32](m.w, poolSize+4*p.ID) }

// free reads the free permits without completing anything.
func (m *pool) free() int { return int(*At[uint64](m.w, 0) >> 40) }

// poolModel is processes that each take so many permits at once and give them
// back, in so many rounds; where the number is negative, one that has as many at
// the beginning and gives them back.
func poolModel(seated bool, total, deaths, rounds int, takes ...int) Model {
	return Model{Memory: poolSize + 64, Deaths: deaths, Setup: func(w *World) {
		m := &pool{At[semaphore.Permits](w, 0), w}
		if err := m.p.Init(total); err != nil {
			panic(err)
		}
		for i, k := range takes {
			w.Robust(At[mem.Uint32](w, poolSeats*(1+i)))
			p := w.Go(func(p *Proc) {
				if k < 0 {
					m.give(p)
					return
				}
				for r := range rounds {
					m.pass(p, k)
					p.Forget(uint64(r))
				}
			})
			if k < 0 {
				m.begin(p, -k)
			} else if seated {
				m.sit(p)
			}
		}
		m.last(total)
		m.check(total)
	}}
}

// sit lets p take its seat before anything happens.
func (m *pool) sit(p *Proc) {
	m.w.run.quietly(p, func() bool {
		err := m.p.TryAcquire(1)
		if err == nil {
			err = m.p.Release(1)
		}
		if err != nil && !errors.Is(err, semaphore.ErrNoPermits) {
			panic(err)
		}
		return true
	})
}

// begin gives p k permits before anything happens.
func (m *pool) begin(p *Proc, k int) {
	*m.has(p) = uint32(k)
	m.w.run.quietly(p, func() bool {
		if err := m.p.TryAcquire(k); err != nil {
			panic(err)
		}
		return true
	})
}

// pass takes k permits and gives them back.
func (m *pool) pass(p *Proc, k int) {
	if err := m.p.Acquire(p.Context(), k); err != nil {
		p.Fail("acquire: %v", err)
	}
	*m.has(p) = uint32(k)
	m.give(p)
}

// give gives back what p has.
func (m *pool) give(p *Proc) {
	p.Step()
	k := int(*m.has(p))
	*m.has(p) = 0
	if err := m.p.Release(k); err != nil {
		p.Fail("release: %v", err)
	}
}

// check lets the model check that no permit comes from nowhere, and that all are
// there at the end, whoever died.
func (m *pool) check(total int) {
	m.w.Invariant = func() error {
		sum := m.free()
		for _, p := range m.w.procs {
			if !p.Ended() {
				sum += int(*m.has(p))
			}
		}
		if sum > total {
			return fmt.Errorf("%d permits of %d", sum, total)
		}
		return nil
	}
	m.w.Final = func() error {
		if n := m.free(); n != total {
			return fmt.Errorf("%d permits of %d at the end: %v", n, total, m.p)
		}
		return nil
	}
}

// last adds a process that takes all permits when all others have ended.
func (m *pool) last(total int) {
	others := m.w.procs
	p := m.w.Go(func(p *Proc) {
		p.Until(func() bool {
			for _, o := range others {
				if !o.Ended() {
					return false
				}
			}
			return true
		})
		p.Forget()
		m.pass(p, total)
	})
	p.Immortal = true
	m.sit(p)
}

func TestPermits(t *testing.T) {
	for _, c := range []struct {
		seated                bool
		total, deaths, rounds int
		takes                 []int
		long                  bool
	}{
		{true, 1, 0, 1, []int{1, 1}, false},
		{true, 1, 2, 1, []int{1, 1}, false},
		{true, 2, 0, 1, []int{-1, -1, 2}, true},
		{true, 2, 2, 1, []int{1, 1}, true},
		{false, 1, 0, 1, []int{1, 1}, true},
		{false, 1, 1, 1, []int{1, 1}, true},
	} {
		t.Run(fmt.Sprintf("seated %v, %d permits, %d deaths, %d rounds, acquire %v", c.seated, c.total, c.deaths, c.rounds, c.takes), func(t *testing.T) {
			if c.long && !*exploreLong {
				t.Skip("takes minutes: see -explore.long")
			}
			rep := Run(poolModel(c.seated, c.total, c.deaths, c.rounds, c.takes...))
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
