//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// semMemory is what the processes of the semaphore's tests share. The C program
// in testdata has the same.
type semMemory struct {
	s       Semaphore
	_       [128 - 32]byte
	counter uint64 // protected by s, where it is a lock
	inside  mem.Uint32
	_       uint32
	holds   [8]mem.Uint32 // what each of a walk's processes has
	wants   [8]mem.Uint32 // and is about to take
}

func semMap(t require.TestingT, f *os.File, place string) (*semMemory, []byte, func() error) {
	size := int(unsafe.Sizeof(semMemory{}))
	if place == "foreign" {
		b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(t, err)
		return (*semMemory)(unsafe.Pointer(&b[0])), b, func() error { return unix.Munmap(b) }
	}
	m, err := mem.Map(f, size, mem.Options{})
	require.NoError(t, err)
	return (*semMemory)(unsafe.Pointer(&m.Bytes()[0])), m.Bytes(), m.Close
}

func newSem(t testing.TB, place string, value, max int) (*semMemory, *os.File) {
	f := newFile(t, 4096)
	m, b, unmap := semMap(t, f, place)
	require.NoError(t, m.s.Init(value, max))
	t.Cleanup(func() {
		require.NoError(t, Forget(b))
		require.NoError(t, unmap())
	})
	return m, f
}

// semSleepers counts who sleeps for permits, in any process, and disturbs
// nobody. The goroutines of a process count as one.
func semSleepers(s *Semaphore) int { return futexSleepers(s.value()) }

// futexSleepers counts who sleeps on a word.
func futexSleepers(word *mem.Uint32) int {
	const requeue = 3
	w := uintptr(unsafe.Pointer(word))
	n, _, e := unix.RawSyscall6(unix.SYS_FUTEX, w, requeue, 0, 1<<31-1, w, 0)
	if e != 0 {
		panic(e)
	}
	return int(n)
}

// anySem is what Semaphore and Named have in common.
type anySem interface {
	Acquire(ctx context.Context, n int) error
	TryAcquire(n int) error
	Release(n int) error
	Value() int
}

// sem.peer obeys: a line with a command, a line with its result. The programs in
// testdata speak the same language. Args: place.
var _ = testproc.Helper("sem.peer", func(c *testproc.Child) {
	m, _, _ := semMap(c, c.Files[0], c.Args[0])
	var s anySem = &m.s
	for {
		var err error
		var n int
		var name string
		line := c.ReadLine()
		number := func(format string) bool { _, e := fmt.Sscanf(line, format, &n); return e == nil }
		named := func(format string, to ...any) bool { _, e := fmt.Sscanf(line, format, to...); return e == nil }
		switch {
		case line == "acquire":
			err = s.Acquire(context.Background(), 1)
		case number("acquire %d"):
			err = s.Acquire(context.Background(), n)
		case line == "try":
			err = s.TryAcquire(1)
		case number("try %d"):
			err = s.TryAcquire(n)
		case number("timed %d"):
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(n)*time.Millisecond)
			err = s.Acquire(ctx, 1)
			cancel()
		case line == "release":
			err = s.Release(1)
		case number("release %d"):
			err = s.Release(n)
		case line == "value":
			c.WriteLine("%d", s.Value())
			continue
		case number("init %d"):
			err = m.s.Init(n, 0)
		case number("count %d"):
			for range n {
				if err = s.Acquire(context.Background(), 1); err != nil {
					break
				}
				m.counter++
				if err = s.Release(1); err != nil {
					break
				}
			}
		case named("create %s %d", &name, &n):
			s, err = Open(name, &OpenOptions{Create: true, Value: n})
		case named("open %s", &name):
			s, err = Open(name, nil)
		case named("unlink %s", &name):
			err = Unlink(name)
		default:
			c.Errorf("unknown command %q", line)
			c.FailNow()
		}
		c.WriteLine("%s", semResult(err))
	}
})

// semResult is how a result travels.
func semResult(err error) string {
	for name, e := range map[string]error{"OK": nil, "EAGAIN": ErrNoPermits, "ETIMEDOUT": context.DeadlineExceeded,
		"EOVERFLOW": ErrOverflow, "ENOENT": ErrNotExist, "EEXIST": ErrExist} {
		if errors.Is(err, e) {
			return name
		}
	}
	return err.Error()
}

func semPeer(t *testing.T, f *os.File, place string) *testproc.Proc {
	return testproc.Start(t, "sem.peer", testproc.Files(f), testproc.Args(place))
}

var semC = sync.OnceValues(func() (code []byte, err error) {
	dir, err := os.MkdirTemp("", "semaphore")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "peer")
	if out, err := exec.Command("cc", "-O2", "-Wall", "-o", path, "testdata/semaphore.c", "-pthread").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(path)
})

// semPeerC starts testdata/semaphore.c, which is a helper as much as "sem.peer".
func semPeerC(t *testing.T, f *os.File) *testproc.Proc {
	t.Helper()
	testproc.NeedTool(t, "cc")
	code, err := semC()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "peer")
	require.NoError(t, os.WriteFile(path, code, 0o700))
	return testproc.Start(t, "sem.peer", testproc.Binary(path), testproc.Files(f))
}

// semPeerPython starts testdata/semaphore.py.
func semPeerPython(t *testing.T, f *os.File) *testproc.Proc {
	t.Helper()
	return testproc.Start(t, "sem.peer", testproc.Binary(testproc.NeedTool(t, "python3")),
		testproc.Files(f), testproc.Args("testdata/semaphore.py"))
}
