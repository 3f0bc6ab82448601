//go:build !explore

package semaphore

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// X01: what dead processes had comes back, exactly once: holders are killed, one
// or two at a time, and what the living have and what is free is always the total.
func TestPermitsOfTheDead(t *testing.T) {
	const total = 50
	m, f := newPermits(t, "near", total)
	type holder struct {
		*testproc.Proc
		has int
	}
	var hs []*holder
	free := total
	come := func() {
		h := &holder{permitsPeer(t, f, places[len(hs)%2]), 1 + rand.IntN(free/2)}
		tell(h.Proc, fmt.Sprintf("acquire %d", h.has), "OK")
		free -= h.has
		hs = append(hs, h)
	}
	for range 4 {
		come()
	}
	for i := range 15 {
		victims := hs[:1+i%2]
		hs = hs[1+i%2:]
		for _, v := range victims {
			v.Kill()
			free += v.has
		}
		awaitFree(t, &m.p, free)
		for _, h := range hs { // they have what they had
			tell(h.Proc, "release 1", "OK")
			tell(h.Proc, fmt.Sprintf("release %d", h.has), "not held")
			tell(h.Proc, "acquire 1", "OK")
		}
		require.Equal(t, free, m.p.Available())
		sum := 0
		for _, h := range m.p.Holders() {
			sum += h.Permits
		}
		require.Equal(t, total-free, sum)
		for len(hs) < 4 {
			come()
		}
	}
	require.NoError(t, m.p.TryAcquire(free))
	require.Equal(t, ErrNoPermits, m.p.TryAcquire(1))
	require.NoError(t, m.p.Release(free))
}

// Holders are killed at any moment while all contend.
func TestPermitsChaos(t *testing.T) {
	m, f := newPermits(t, "near", 4)
	var ps []*testproc.Proc
	come := func() {
		p := permitsPeer(t, f, places[len(ps)%2])
		p.WriteLine("chaos")
		p.Expect("begins")
		ps = append(ps, p)
	}
	for range 4 {
		come()
	}
	for i := range 30 {
		for range 1 + i%2 {
			ps[0].Kill()
			ps = ps[1:]
			come()
		}
		require.NoError(t, m.p.Acquire(t.Context(), 4)) // the others hold up nobody
		require.Zero(t, m.p.Available())
		require.NoError(t, m.p.Release(4))
	}
	m.chaos.Store(1)
	for _, p := range ps {
		p.Expect("OK")
	}
	awaitFree(t, &m.p, 4)
	require.Empty(t, m.p.Holders())
}

// X01: who sleeps goes on when a holder dies, though nobody does anything.
func TestPermitsSleepersOfTheDead(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newPermits(t, place, 3)
		owner, a, b := permitsPeer(t, f, place), permitsPeer(t, f, places[0]), permitsPeer(t, f, places[1])
		tell(owner, "acquire 3", "OK")
		a.WriteLine("acquire 1")
		b.WriteLine("acquire 2")
		awaitPermitsSleepers(t, &m.p, 2)
		owner.Kill()
		a.Expect("OK")
		b.Expect("OK")

		// A sleeper is killed together with the holder.
		c := permitsPeer(t, f, place)
		c.WriteLine("acquire 2")
		awaitPermitsSleepers(t, &m.p, 1)
		waits := start(func() error { return m.p.Acquire(t.Context(), 3) })
		awaitPermitsSleepers(t, &m.p, 2)
		a.Kill()
		b.Kill()
		c.Kill()
		require.NoError(t, result(t, waits))
		require.NoError(t, m.p.Release(3))
	})
}

// A stopped holder keeps its permits and blocks nobody otherwise.
func TestPermitsOfTheStopped(t *testing.T) {
	m, f := newPermits(t, "near", 3)
	owner, waiter, other := permitsPeer(t, f, "near"), permitsPeer(t, f, "near"), permitsPeer(t, f, "foreign")
	tell(owner, "acquire 2", "OK")
	waiter.WriteLine("acquire 2")
	awaitPermitsSleepers(t, &m.p, 1)
	require.True(t, owner.Stop())
	require.True(t, waiter.Stop())
	for range 70 {
		require.Equal(t, ErrNoPermits, m.p.TryAcquire(2))
	}
	tell(other, "try 2", "none")
	require.NoError(t, permitsPass(&m.p, 100))
	require.Equal(t, []PermitHolder{{owner.PID, 2}}, m.p.Holders())
	require.Equal(t, 1, m.p.Available())
	owner.Kill() // stopped or not
	awaitFree(t, &m.p, 3)
	tell(other, "acquire 2", "OK")
	waiter.Cont()
	tell(other, "release 2", "OK")
	waiter.Expect("OK")
	tell(waiter, "release 2", "OK")
}

// The kernel's mark got lost: sleepers, and those who only try, find the death.
func TestPermitsLostMark(t *testing.T) {
	m, _ := newPermits(t, "near", 3)
	p := &m.p
	lose := func() {
		require.NoError(t, p.TryAcquire(2))
		require.NoError(t, p.Release(2))
		s := &p.m.seats[1]
		s.cell.Word.Store(0x3ffffff1) // nobody's TID
		s.word.Store(uint64(newPermitsWord(2, permitsWord(s.word.Load()).tag())))
		p.m.used.Store(2)
		g := permitsState(p.m.state.Load())
		p.m.state.Store(uint64(newPermitsState(1, g.seat(), false, g.tag())))
	}
	lose()
	require.Equal(t, 3, p.Available())
	lose()
	require.NoError(t, p.Acquire(t.Context(), 3))
	require.NoError(t, p.Release(3))
	lose()
	await(t, func() bool { return p.TryAcquire(3) == nil })
	require.NoError(t, p.Release(3))
}

// Memory whose file was truncated can be forgotten: there is nothing to give back.
func TestPermitsTruncated(t *testing.T) {
	f := newFile(t, permitsMemorySize)
	m, b, unmap := permitsMap(t, f, "near")
	require.NoError(t, m.p.Init(2))
	require.NoError(t, m.p.TryAcquire(2))
	require.NoError(t, f.Truncate(0))
	require.NoError(t, Forget(b))
	require.NoError(t, unmap())
}
