//go:build !explore

package semaphore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// Each side makes a semaphore, by sem_init or by name; the other one uses it, waits
// for it, times out, and wakes.
func TestSemaphoreHandOverWithC(t *testing.T) {
	for _, by := range []string{"Go, shared", "C, shared", "Go, named", "C, named"} {
		t.Run(by, func(t *testing.T) {
			m, f := newSem(t, "near", 1, 0)
			c := semPeerC(t, f)
			var s anySem = &m.s
			inner := &m.s
			name, _ := semName(t)
			switch by {
			case "C, shared":
				tell(c, "init 1", "OK")
			case "Go, named":
				n := openNamed(t, name, &OpenOptions{Create: true, Value: 1})
				tell(c, "create /"+name+" 1", "EEXIST")
				tell(c, "open /"+name, "OK")
				s, inner = n, n.sem
			case "C, named":
				tell(c, "open /"+name, "ENOENT")
				tell(c, "create /"+name+" 1", "OK")
				_, err := Open(name, &OpenOptions{Create: true})
				require.ErrorIs(t, err, ErrExist)
				n := openNamed(t, "/"+name, nil)
				s, inner = n, n.sem
			}
			tell(c, "value", "1")
			tell(c, "try", "OK")
			require.ErrorIs(t, s.TryAcquire(1), ErrNoPermits)
			require.ErrorIs(t, s.Acquire(timeout(t, 3*time.Millisecond), 1), context.DeadlineExceeded)
			tell(c, "timed 3", "ETIMEDOUT")

			for _, n := range []int{1, 2} { // Go waits, C releases
				waits := start(func() error { return s.Acquire(context.Background(), n) })
				await(t, func() bool { return semSleepers(inner) == 1 })
				for range n {
					tell(c, "release", "OK")
				}
				require.NoError(t, result(t, waits))
			}
			for _, cmd := range []string{"acquire", "timed 60000"} { // C waits, Go releases
				c.WriteLine("%s", cmd)
				await(t, func() bool { return semSleepers(inner) == 1 })
				require.NoError(t, s.Release(1))
				c.Expect("OK")
			}
			require.Zero(t, inner.sem.data.Load(), "nobody is left")
			require.NoError(t, s.Release(1))
			tell(c, "value", "1")
			if name := name; s != anySem(&m.s) {
				tell(c, "unlink /"+name, "OK")
				require.ErrorIs(t, Unlink(name), ErrNotExist)
				tell(c, "try", "OK") // still open
				require.Zero(t, s.Value())
			}
		})
	}
}

// A C or Python waiter that is killed with the wake in its hands leaves the permit
// to the waiter in Go, and a Go waiter that is killed leaves C's program one that
// nobody wakes it for until the next Release.
func TestKilledWaitersOfNamed(t *testing.T) {
	name, _ := semName(t)
	n := openNamed(t, name, &OpenOptions{Create: true})
	_, f := newSem(t, "near", 0, 0)
	for _, kind := range []string{"C", "Python", "Go"} {
		victim, heir := semPeer(t, f, "near"), semPeer(t, f, "near")
		open := "open " + name
		switch kind {
		case "C":
			victim, open = semPeerC(t, f), "open /"+name
		case "Python":
			victim, open = semPeerPython(t, f), "attach Semaphore /"+name+" 5"
		}
		tell(victim, open, "OK")
		tell(heir, "open "+name, "OK")
		victim.WriteLine("acquire")
		await(t, func() bool { return semSleepers(n.sem) == 1 })
		heir.WriteLine("acquire")
		await(t, func() bool { return semSleepers(n.sem) == 2 })
		require.True(t, victim.Stop())
		require.NoError(t, n.Release(1)) // wakes the first
		victim.Kill()
		heir.Expect("OK")
	}
	c := semPeerC(t, f)
	tell(c, "open /"+name, "OK")
	c.WriteLine("acquire")
	await(t, func() bool { return semSleepers(n.sem) == 1 })
	require.NoError(t, n.Release(1))
	c.Expect("OK")
}

// Python makes a lock, a semaphore, a bounded one; Go uses them by their name. S07,
// S08, S10: the maximum is Go's own business.
func TestPythonMakes(t *testing.T) {
	_, f := newSem(t, "near", 0, 0)
	for kind, value := range map[string]int{"Lock": 1, "Semaphore": 2, "BoundedSemaphore": 3} {
		t.Run(kind, func(t *testing.T) {
			py := semPeerPython(t, f)
			if kind == "Lock" {
				py.WriteLine("make Lock")
			} else {
				py.WriteLine("make %s %d", kind, value)
			}
			n := openNamed(t, py.ReadLine(), &OpenOptions{Max: value})
			require.Equal(t, value, n.Value())
			for left := value - 1; left >= 0; left-- {
				require.NoError(t, n.Acquire(t.Context(), 1))
				tell(py, "value", fmt.Sprint(left))
			}
			tell(py, "try", "EAGAIN")
			tell(py, "timed 3", "ETIMEDOUT")
			py.WriteLine("acquire")
			await(t, func() bool { return semSleepers(n.sem) == 1 })
			require.NoError(t, n.Release(1))
			py.Expect("OK")
			waits := start(func() error { return n.Acquire(context.Background(), 1) })
			await(t, func() bool { return semSleepers(n.sem) == 1 })
			tell(py, "release", "OK")
			require.NoError(t, result(t, waits))
			require.NoError(t, n.Release(value))
			require.ErrorIs(t, n.Release(1), ErrOverflow)
			if kind == "BoundedSemaphore" {
				tell(py, "release", "EOVERFLOW")
			}
			py.CloseStdin()
			py.Succeed()
			_, err := Open(n.Name(), nil)
			require.ErrorIs(t, err, ErrNotExist, "Python has removed its name")
		})
	}
}

// Go makes it, Python uses it; both see the other's unlink.
func TestPythonUses(t *testing.T) {
	_, f := newSem(t, "near", 0, 0)
	py := semPeerPython(t, f)
	name, _ := semName(t)
	n := openNamed(t, name, &OpenOptions{Create: true, Value: 2, Max: 2})
	tell(py, "attach BoundedSemaphore /"+name+" 2", "OK")
	tell(py, "release", "EOVERFLOW")
	tell(py, "acquire", "OK")
	tell(py, "acquire", "OK")
	require.ErrorIs(t, n.TryAcquire(1), ErrNoPermits)
	waits := start(func() error { return n.Acquire(context.Background(), 2) })
	await(t, func() bool { return semSleepers(n.sem) == 1 })
	tell(py, "release", "OK")
	tell(py, "release", "OK")
	require.NoError(t, result(t, waits))
	tell(py, "timed 3", "ETIMEDOUT")
	tell(py, "unlink /"+name, "OK")
	require.ErrorIs(t, n.Unlink(), ErrNotExist)
	tell(py, "attach Lock /"+name+" 1", "ENOENT")
}

// Go, C and Python count with a plain variable under one lock.
func TestPythonContention(t *testing.T) {
	name, _ := semName(t)
	openNamed(t, name, &OpenOptions{Create: true, Value: 1, Max: 1})
	m, f := newSem(t, "near", 0, 0)
	py, c, gos := semPeerPython(t, f), semPeerC(t, f), semPeer(t, f, "near")
	tell(py, "attach Lock /"+name+" 1", "OK")
	tell(c, "open /"+name, "OK")
	tell(gos, "open "+name, "OK")
	const n = 3000
	ps := []*testproc.Proc{py, c, gos}
	for _, p := range ps {
		p.WriteLine("count %d", n)
	}
	for _, p := range ps {
		p.Expect("OK")
	}
	require.EqualValues(t, len(ps)*n, m.counter)
	tell(py, "value", "1")
}

// Programs in C and Python take one permit at a time, Go up to three, with
// timeouts: every permit comes back, nobody stays counted as waiting, and no wake is
// lost, for C does not look.
func TestPythonConservation(t *testing.T) {
	m, f := newSem(t, "near", semWalkTotal, semWalkTotal)
	name, _ := semName(t)
	n := openNamed(t, name, &OpenOptions{Create: true, Value: 2})
	py, c := semPeerPython(t, f), semPeerC(t, f)
	tell(py, "attach Semaphore /"+name+" 2", "OK")
	tell(c, "open "+name, "OK")
	ps := []*testproc.Proc{py, c, semPeerC(t, f), semPeerC(t, f)}
	for _, p := range ps {
		p.WriteLine("count %d", 3000)
	}
	survivors := []*testproc.Proc{
		testproc.Start(t, "sem.survivor", testproc.Files(f), testproc.Args("near", "0")),
		testproc.Start(t, "sem.survivor", testproc.Files(f), testproc.Args("foreign", "1")),
	}
	for range 2000 { // with Python and C, on the named one
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Microsecond)
		err := n.Acquire(ctx, 2)
		cancel()
		if err == nil {
			require.NoError(t, n.Release(2))
		} else {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
	}
	for _, p := range survivors {
		p.Expect("passed")
	}
	for _, p := range ps {
		p.Expect("OK")
	}
	require.Equal(t, "Semaphore(4 of 4)", m.s.String())
	require.EqualValues(t, 2, n.sem.sem.data.Load())
}
