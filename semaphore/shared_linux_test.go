//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// memory is what the processes of these tests share. The C program in testdata
// has the same.
type memory struct {
	mu      [2]Mutex
	_       [128 - 2*48]byte
	counter uint64
	pair    [2]uint64 // equal when nobody holds mu[0]
}

// where a mutex may lie: in the arena, as package shm's memory does, or not.
var places = []string{"near", "foreign"}

func eachPlace(t *testing.T, test func(t *testing.T, place string)) {
	for _, p := range places {
		t.Run(p, func(t *testing.T) { test(t, p) })
	}
}

func mapMemory(t require.TestingT, f *os.File, place string) (*memory, []byte, func() error) {
	size := int(unsafe.Sizeof(memory{}))
	if place == "foreign" {
		b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(t, err)
		return (*memory)(unsafe.Pointer(&b[0])), b, func() error { return unix.Munmap(b) }
	}
	m, err := mem.Map(f, size, mem.Options{})
	require.NoError(t, err)
	return (*memory)(unsafe.Pointer(&m.Bytes()[0])), m.Bytes(), m.Close
}

func newFile(t testing.TB, size int64) *os.File {
	fd, err := unix.MemfdCreate("semaphore-test", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "semaphore-test")
	t.Cleanup(func() { f.Close() })
	require.NoError(t, f.Truncate(size))
	return f
}

func newMemory(t testing.TB, place string) (*memory, *os.File) {
	f := newFile(t, 4096)
	m, b, unmap := mapMemory(t, f, place)
	m.mu[0].Init()
	m.mu[1].Init()
	t.Cleanup(func() {
		require.NoError(t, Forget(b))
		require.NoError(t, unmap())
	})
	return m, f
}

// peer obeys: a line with a command, a line with its result. testdata/mutex.c
// speaks the same language. Args: place.
var _ = testproc.Helper("peer", func(c *testproc.Child) {
	m, _, _ := mapMemory(c, c.Files[0], c.Args[0])
	mu := &m.mu[0]
	for {
		var err error
		cmd, arg, _ := strings.Cut(c.ReadLine(), " ")
		switch cmd {
		case "lock":
			err = mu.Lock()
		case "trylock":
			err = mu.TryLock()
		case "unlock":
			mu.Unlock()
		case "repair":
			err = mu.LockRepair(context.Background(), func() error { return nil })
		case "repairing": // for ever
			err = mu.LockRepair(context.Background(), func() error {
				c.WriteLine("repairs")
				c.Park()
				return nil
			})
		case "count":
			n, _ := strconv.Atoi(arg)
			for range n {
				if err = mu.Lock(); err != nil {
					break
				}
				m.counter++
				mu.Unlock()
			}
		}
		c.WriteLine("%s", nameOf(err))
	}
})

// nameOf is how a result travels.
func nameOf(err error) string {
	for name, e := range map[string]error{"OK": nil, "EOWNERDEAD": ErrOwnerDied, "ENOTRECOVERABLE": ErrNotRecoverable, "EBUSY": ErrLocked} {
		if errors.Is(err, e) {
			return name
		}
	}
	return fmt.Sprint(err)
}

func startPeer(t *testing.T, f *os.File, place string) *testproc.Proc {
	return testproc.Start(t, "peer", testproc.Files(f), testproc.Args(place))
}

// tell sends a command and expects its result.
func tell(p *testproc.Proc, cmd, want string) {
	p.WriteLine("%s", cmd)
	p.Expect(want)
}

func await(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(testproc.Watchdog); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("nothing happens for %v; stacks:\n%s", testproc.Watchdog, buf[:runtime.Stack(buf, true)])
		}
	}
}

func start(f func() error) <-chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

// orFault makes a fault the error that sleepers get: the memory may go while f is
// awake.
func orFault(f func() error) func() error {
	return func() (err error) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if r := recover(); r != nil {
				if _, fault := r.(interface{ Addr() uintptr }); !fault {
					panic(r)
				}
				err = futex.ErrFault
			}
		}()
		return f()
	}
}

func result(t *testing.T, c <-chan error) (err error) {
	t.Helper()
	await(t, func() bool {
		select {
		case err = <-c:
			return true
		default:
			return false
		}
	})
	return err
}

// sleepers counts who sleeps for m, in any process, and disturbs nobody. The
// goroutines of a process count as one.
func sleepers(m *Mutex) int {
	const requeue = 3
	w := uintptr(unsafe.Pointer(&m.cell.Word))
	n, _, e := unix.RawSyscall6(unix.SYS_FUTEX, w, requeue, 0, 1<<31-1, w, 0)
	if e != 0 {
		panic(e)
	}
	return int(n)
}

func awaitSleepers(t *testing.T, m *Mutex, n int) {
	t.Helper()
	await(t, func() bool { return sleepers(m) == n })
}

func timeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
