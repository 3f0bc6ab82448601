//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// condMemory is what the processes of the cond's tests share.
type condMemory struct {
	c     Cond
	mu    Mutex
	other Mutex
	rec   RecursiveMutex
	value uint32     // protected by mu
	woken mem.Uint32 // waits that have ended with a signal
	pair  [2]uint64  // equal when nobody holds mu

	// Protected by mu; read without it to see what goes on.
	tokens, stop mem.Uint32
}

func condMap(t require.TestingT, f *os.File, place string) (*condMemory, []byte, func() error) {
	size := int(unsafe.Sizeof(condMemory{}))
	if place == "foreign" {
		b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(t, err)
		return (*condMemory)(unsafe.Pointer(&b[0])), b, func() error { return unix.Munmap(b) }
	}
	m, err := mem.Map(f, size, mem.Options{})
	require.NoError(t, err)
	return (*condMemory)(unsafe.Pointer(&m.Bytes()[0])), m.Bytes(), m.Close
}

func condNew(t testing.TB, place string) (*condMemory, *os.File) {
	m, f, _ := condNewBytes(t, place)
	return m, f
}

func condNewBytes(t testing.TB, place string) (*condMemory, *os.File, []byte) {
	f := newFile(t, 16384)
	m, b, unmap := condMap(t, f, place)
	t.Cleanup(func() {
		require.NoError(t, Forget(b))
		require.NoError(t, unmap())
	})
	return m, f, b
}

// wait waits for one signal.
func (m *condMemory) wait(ctx context.Context) error {
	if err := m.mu.Lock(); err != nil {
		return err
	}
	err := m.c.WaitContext(ctx, &m.mu)
	if errors.Is(err, ErrRelock) {
		return err
	}
	if err == nil {
		m.woken.Add(1)
	}
	m.mu.Unlock()
	return err
}

func (m *condMemory) waits(t testing.TB, n int) []<-chan error {
	var done []<-chan error
	for range n {
		done = append(done, start(func() error { return m.wait(t.Context()) }))
	}
	return done
}

// cond.peer obeys: a line with a command, a line with its result. Args: place.
var _ = testproc.Helper("cond.peer", func(c *testproc.Child) {
	m, _, _ := condMap(c, c.Files[0], c.Args[0])
	many := func(n int, f func() error) error {
		errs := make([]error, n)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { errs[i] = f() })
		}
		all.Wait()
		return errors.Join(errs...)
	}
	for {
		var err error
		var n, ms int
		line := c.ReadLine()
		like := func(format string, to ...any) bool { k, _ := fmt.Sscanf(line, format, to...); return k == len(to) }
		switch {
		case line == "lock":
			err = m.mu.Lock()
		case line == "unlock":
			m.mu.Unlock()
		case line == "signal":
			m.c.Signal()
		case like("wait %d", &n):
			err = many(n, func() error { return m.wait(context.Background()) })
		case like("timed %d %d", &n, &ms):
			err = many(n, func() error {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(ms)*time.Millisecond)
				defer cancel()
				return m.wait(ctx)
			})
		case like("for %d", &n):
			if err = m.mu.Lock(); err == nil {
				err = m.c.WaitFor(context.Background(), &m.mu, func() bool { return m.value == uint32(n) })
				m.mu.Unlock()
			}
		case like("deep %d", &n):
			h := m.rec.Holder()
			for range n {
				err = errors.Join(err, h.Lock())
			}
			err = errors.Join(err, m.c.Wait(h))
			for range n {
				h.Unlock()
			}
		default:
			c.Errorf("unknown command %q", line)
			c.FailNow()
		}
		c.WriteLine("%s", condResult(err))
	}
})

// condResult is how a result travels.
func condResult(err error) string {
	var names []string
	for _, e := range []error{ErrRelock, ErrOwnerDied, ErrNotHeld, ErrTooManyProcesses, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			names = append(names, e.Error())
		}
	}
	switch {
	case err == nil:
		return "OK"
	case names == nil:
		return strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return strings.Join(names, ", ")
}

func condPeer(t *testing.T, f *os.File, place string) *testproc.Proc {
	return testproc.Start(t, "cond.peer", testproc.Files(f), testproc.Args(place))
}

// condWaiting counts who waits for a signal.
func condWaiting(c *Cond) (n int) {
	for i := range c.count() {
		n += condOpen(c.cond.seats[i].word.Load())
	}
	return n
}

func condAwaitWaiting(t *testing.T, m *condMemory, n int) {
	t.Helper()
	await(t, func() bool { return condWaiting(&m.c) == n })
}

// condAwaitAsleep waits until so many processes sleep.
func condAwaitAsleep(t *testing.T, m *condMemory, processes int) {
	t.Helper()
	const requeue = 3
	await(t, func() bool {
		n := 0
		for i := range m.c.count() {
			w := uintptr(unsafe.Pointer(&m.c.cond.seats[i].word))
			k, _, e := unix.RawSyscall6(unix.SYS_FUTEX, w, requeue, 0, 1<<31-1, w, 0)
			require.Zero(t, e)
			n += int(k)
		}
		return n == processes
	})
}

// condSeatOf returns the seat of a process.
func condSeatOf(t *testing.T, c *Cond, pid int) *condSeat {
	for i := range c.count() {
		if p, held := c.cond.seats[i].cell.OwnerPID(); held && p == pid {
			return &c.cond.seats[i]
		}
	}
	t.Fatalf("pid %d has no seat in %v", pid, c)
	return nil
}

func condLock(t testing.TB, m *condMemory) {
	require.NoError(t, m.mu.Lock())
}
