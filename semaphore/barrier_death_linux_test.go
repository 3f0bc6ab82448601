//go:build !explore

package semaphore

import (
	"context"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// X03: one of those who wait is killed, the first or another. The others are told,
// and whoever comes, until a Reset forgets the dead.
func TestBarrierWaiterKilledX03(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		for victim := range 3 {
			m, f := newBar(t, place, 4)
			ps := barParties(t, f, place, 3)
			for i, p := range ps {
				p.WriteLine("wait")
				barAsleep(t, &m.b, i+1)
			}
			ps[victim].Kill()
			alive := slices.Delete(slices.Clone(ps), victim, victim+1)
			barExpect(alive, "EBROKEN")
			require.True(t, m.b.Broken())
			require.Equal(t, "EBROKEN", barWait(&m.b, 0))
			barTell(alive, "wait")
			barExpect(alive, "EBROKEN")
			require.NoError(t, m.b.Reset(t.Context()))
			require.False(t, m.b.Broken())
			alive = append(alive, barParties(t, f, place, 1)...)
			barTell(alive, "wait")
			_, err := m.b.Wait(t.Context())
			require.NoError(t, err)
			for _, p := range alive {
				p.ReadLine()
			}
		}
	})
}

// A party that has joined and not yet come is killed: those who wait are told at
// once, and so are the others if enough of them come.
func TestBarrierJoinedPartyKilled(t *testing.T) {
	for _, enough := range []bool{false, true} {
		m, f := newBar(t, "near", 3)
		ps := barParties(t, f, "near", 4)
		barTell(ps, "join")
		barExpect(ps, "OK")
		if enough {
			ps[0].Kill()
			await(t, m.b.Broken)
			barTell(ps[1:], "wait")
			barExpect(ps[1:], "EBROKEN")
		} else {
			barTell(ps[1:3], "wait")
			barAsleep(t, &m.b, 2)
			ps[0].Kill()
			barExpect(ps[1:3], "EBROKEN")
			barTell(ps[3:], "join")
			barExpect(ps[3:], "OK")
			barTell(ps[3:], "wait")
			barExpect(ps[3:], "EBROKEN")
		}
	}
}

// A phase that was completed stays so, whoever dies then; the next one is broken.
func TestBarrierKilledBetweenPhases(t *testing.T) {
	m, f := newBar(t, "near", 3)
	ps := barParties(t, f, "near", 3)
	barTell(ps[:2], "wait")
	barAsleep(t, &m.b, 2)
	require.True(t, ps[0].Stop()) // it has the end of the phase before it
	ps[2].WriteLine("wait")
	ps[1].ReadLine()
	ps[2].ReadLine()
	ps[1].Kill()
	await(t, m.b.Broken)
	ps[0].Cont()
	if _, err := strconv.Atoi(ps[0].ReadLine()); err != nil {
		t.Fatal("the phase was complete:", err)
	}
	barTell([]*testproc.Proc{ps[0], ps[2]}, "wait")
	barExpect([]*testproc.Proc{ps[0], ps[2]}, "EBROKEN")
}

// The first to arrive, who watches the others, is stopped, and one of the others
// dies: the rest watch by themselves.
func TestBarrierWatchIsStopped(t *testing.T) {
	m, f := newBar(t, "near", 5)
	ps := barParties(t, f, "near", 4)
	for i, p := range ps {
		p.WriteLine("wait")
		barAsleep(t, &m.b, i+1)
	}
	require.True(t, ps[0].Stop())
	ps[3].Kill()
	barExpect(ps[1:3], "EBROKEN")
	ps[0].Cont()
	ps[0].Expect("EBROKEN")
}

// All but one die at once, the watching one among them.
func TestBarrierManyKilledAtOnce(t *testing.T) {
	for range 5 {
		m, f := newBar(t, "near", 6)
		ps := barParties(t, f, "near", 5)
		for i, p := range ps {
			p.WriteLine("wait")
			barAsleep(t, &m.b, i+1)
		}
		for _, p := range ps[:4] {
			p.Kill()
		}
		ps[4].Expect("EBROKEN")
		tell(ps[4], "reset", "OK")
		require.False(t, m.b.Broken())
	}
}

// While a party is stopped it is waited for, and then all go on.
func TestBarrierStoppedPartyIsWaitedFor(t *testing.T) {
	m, f := newBar(t, "near", 2)
	ps := barParties(t, f, "near", 2)
	tell(ps[0], "join", "OK")
	require.True(t, ps[0].Stop())
	ps[1].WriteLine("wait")
	barAsleep(t, &m.b, 1)
	time.Sleep(120 * time.Millisecond) // sleep: two looks, that must not take a stopped process for dead
	require.Equal(t, 1, m.b.Waiting())
	ps[0].Cont()
	tell(ps[0], "wait", "1")
	ps[1].Expect("0")
}

// Whoever runs the action dies: those who wait for it are told, the extra one too.
func TestBarrierActionKilled(t *testing.T) {
	m, f := newBar(t, "near", 2)
	ps := barParties(t, f, "near", 3)
	ps[0].WriteLine("wait")
	await(t, func() bool { return m.b.Waiting() == 1 })
	tell(ps[1], "act", "acts")
	ps[2].WriteLine("wait")
	barAsleep(t, &m.b, 2)
	ps[1].Kill()
	ps[0].Expect("EBROKEN")
	ps[2].Expect("EBROKEN")
}

// The kernel's mark got lost: the looks find the death.
func TestBarrierLostMark(t *testing.T) {
	m, f := newBar(t, "near", 3)
	ps := barParties(t, f, "near", 2)
	barTell(ps, "wait")
	barAsleep(t, &m.b, 2)
	m.b.seats[2].Word.Store(0x3ffffff1) // nobody's TID
	m.b.used.Store(3)
	barExpect(ps, "EBROKEN")
}

// A Reset forgets also those whose marks got lost.
func TestBarrierResetLostMark(t *testing.T) {
	m, _ := newBar(t, "near", 1)
	require.NoError(t, m.b.Join())
	m.b.seats[1].Word.Store(0x3ffffff1) // nobody's TID
	m.b.used.Store(2)
	require.NoError(t, m.b.Reset(t.Context()))
	require.Zero(t, m.b.seats[1].Word.Load())
	_, err := m.b.Wait(t.Context())
	require.NoError(t, err)
}

// Somebody truncates the file under parties that wait: they return, and the memory
// can be given up.
func TestBarrierTruncated(t *testing.T) {
	f := newFile(t, 16384)
	mapping, err := mem.Map(f, 16384, mem.Options{Truncatable: true})
	require.NoError(t, err)
	b := (*Barrier)(unsafe.Pointer(&mapping.Bytes()[0]))
	require.NoError(t, b.Init(4))
	var done []<-chan error
	for i, ctx := range []context.Context{context.Background(), timeout(t, time.Hour), t.Context()} {
		done = append(done, start(orFault(func() error {
			_, err := b.Wait(ctx)
			return err
		})))
		await(t, func() bool { return b.Waiting() == i+1 })
	}
	barAsleep(t, b, 1)
	require.NoError(t, f.Truncate(0))
	for _, d := range done {
		err := result(t, d)
		require.ErrorIs(t, err, futex.ErrFault)
		require.NotErrorIs(t, err, ErrBroken)
	}
	require.NoError(t, Forget(mapping.Bytes()))
	require.NoError(t, mapping.Close())
}

// The file is truncated under a waiter that is awake, in a program that lets faults
// panic: Wait is over then, and the memory can be forgotten.
func TestBarrierTruncatedAwake(t *testing.T) {
	f := newFile(t, 16384)
	mapping, err := mem.Map(f, 16384, mem.Options{Truncatable: true})
	require.NoError(t, err)
	b := (*Barrier)(unsafe.Pointer(&mapping.Bytes()[0]))
	require.NoError(t, b.Init(2))
	ctx := truncating{Context: t.Context(), f: f}
	require.ErrorIs(t, orFault(func() error {
		_, err := b.Wait(ctx)
		return err
	})(), futex.ErrFault)
	require.ErrorIs(t, orFault(b.Join)(), futex.ErrFault)
	require.NoError(t, Forget(mapping.Bytes()))
	require.NoError(t, mapping.Close())
}

// Processes join until there is no seat; then a death makes room, after a Reset.
func TestBarrierTooManyProcesses(t *testing.T) {
	m, f := newBar(t, "near", 2)
	ps := barParties(t, f, "near", 2)
	tell(ps[0], "join", "OK")
	tid := m.b.seats[0].Word.Load()
	for i := 1; i < barrierSeats; i++ { // all the others are the same one's
		m.b.seats[i].Word.Store(tid)
	}
	tell(ps[1], "join", "ETOOMANY")
	tell(ps[1], "wait", "ETOOMANY")
	require.False(t, m.b.Broken())
	m.b.used.Store(barrierSeats)
	ps[0].Kill()
	await(t, m.b.Broken)
	await(t, m.b.seats[1].CheckOwner) // the kernel marks the first seat before the TID is free
	require.ErrorIs(t, m.b.Join(), ErrBroken)
	tell(ps[1], "reset", "OK")
	tell(ps[1], "join", "OK")
	require.NoError(t, m.b.Join())
	require.False(t, m.b.Broken())
}

// barrier.reader has joined and is inside a long read(2) into shared memory.
var _ = testproc.Helper("barrier.reader", func(c *testproc.Child) {
	m, _, _ := barMap(c, c.Files[0], "near")
	st, err := c.Files[1].Stat()
	require.NoError(c, err)
	into, err := unix.Mmap(int(c.Files[1].Fd()), 0, int(st.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(c, err)
	require.NoError(c, m.b.Join())
	c.WriteLine("joined")
	c.ReadLine()
	_, err = unix.Read(int(c.Files[2].Fd()), into)
	require.NoError(c, err)
})

// Reset waits until the dead one cannot store any more, or its context ends.
func TestBarrierResetPassesTheFence(t *testing.T) {
	stored := func(f *os.File) int64 {
		st, err := f.Stat()
		require.NoError(t, err)
		return st.Sys().(*syscall.Stat_t).Blocks
	}
	m, f := newBar(t, "near", 2)
	into, source := newFile(t, 128<<20), newFile(t, 128<<20)
	p := testproc.Start(t, "barrier.reader", testproc.Files(f, into, source))
	p.Expect("joined")
	p.WriteLine("go")
	await(t, func() bool { return stored(into) > 0 })
	p.Kill()
	await(t, m.b.Broken)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.b.Reset(ended); err != nil { // unless it was quick
		require.ErrorIs(t, err, context.Canceled)
		require.True(t, m.b.Broken())
	}
	require.NoError(t, m.b.Reset(t.Context()))
	before := stored(into)
	p.Wait()
	require.Equal(t, before, stored(into), "a store after the reset")
	require.False(t, m.b.Broken())
	require.NoError(t, into.Truncate(0))
}

// The full house: 256 processes, and one too many.
func TestBarrier256Processes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts 256 processes")
	}
	m, f := newBar(t, "near", barrierSeats)
	ps := barParties(t, f, "near", barrierSeats)
	barTell(ps, "join")
	barExpect(ps, "OK")
	require.ErrorIs(t, m.b.Join(), ErrTooManyProcesses)
	_, err := m.b.Wait(t.Context())
	require.ErrorIs(t, err, ErrTooManyProcesses)
	for range 3 {
		barTell(ps, "wait")
		seen := map[string]bool{}
		for _, p := range ps {
			seen[p.ReadLine()] = true
		}
		for i := range barrierSeats {
			require.True(t, seen[strconv.Itoa(i)], "number %d", i)
		}
	}
	barTell(ps[1:], "wait")
	await(t, func() bool { return m.b.Waiting() == barrierSeats-1 })
	ps[0].Kill()
	barExpect(ps[1:], "EBROKEN")
	require.NoError(t, m.b.Reset(t.Context()))
	require.NoError(t, m.b.Join())
	barTell(ps[1:], "wait")
	_, err = m.b.Wait(t.Context())
	require.NoError(t, err)
	for _, p := range ps[1:] {
		if _, err := strconv.Atoi(p.ReadLine()); err != nil {
			t.Fatal(err)
		}
	}
}

// A party that has slept over a look hears of a death from the kernel. How soon is
// measured, not required; that it watches the others' seats is.
func TestBarrierNews(t *testing.T) {
	m, f := newBar(t, "near", 4)
	var took []time.Duration
	for range 5 {
		ps := barParties(t, f, "near", 3)
		for i, p := range ps {
			p.WriteLine("wait")
			barAsleep(t, &m.b, i+1)
		}
		watched := func(seat int) bool { return m.b.seats[seat].Word.Load()&robust.Waiters != 0 }
		await(t, func() bool { return watched(1) && watched(2) })
		require.False(t, watched(0))
		began := time.Now()
		ps[1].Kill()
		ps[0].Expect("EBROKEN")
		took = append(took, time.Since(began))
		ps[2].Expect("EBROKEN")
		for _, p := range ps {
			p.Kill()
			p.Wait()
		}
		require.NoError(t, m.b.Reset(t.Context()))
	}
	t.Log("the first to arrive heard of a death after", took)
}
