//go:build !explore

package robust

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// geometries are the two places where a list node can be.
var geometries = []string{"near", "foreign"}

var memOptions mem.Options

func eachGeometry(t *testing.T, test func(t *testing.T, geometry string)) {
	for _, g := range geometries {
		t.Run(g, func(t *testing.T) { test(t, g) })
	}
}

func newFile(t testing.TB, size int64) *os.File {
	fd, err := unix.MemfdCreate("robust-test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "robust-test")
	t.Cleanup(func() { f.Close() })
	require.NoError(t, f.Truncate(size))
	return f
}

// area is a mapped file. Its cells and presences lie 64 bytes apart.
type area struct {
	b     []byte
	close func() error
}

func (a area) cell(i int) *Cell            { return (*Cell)(unsafe.Pointer(&a.b[64*i])) }
func (a area) presence(i int) *Presence    { return (*Presence)(unsafe.Pointer(&a.b[64*i])) }
func (a area) word(i int) *mem.Uint32      { return (*mem.Uint32)(unsafe.Pointer(&a.b[64*i])) }
func (a area) number(i, j int) *mem.Uint64 { return (*mem.Uint64)(unsafe.Pointer(&a.b[64*i+8*j])) }

// mapFile maps all of f, in the arena (near) or outside (foreign).
func mapFile(t require.TestingT, f *os.File, geometry string, o mem.Options) area {
	st, err := f.Stat()
	require.NoError(t, err)
	if geometry == "foreign" {
		b, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(t, err)
		return area{b, func() error { return unix.Munmap(b) }}
	}
	m, err := mem.Map(f, int(st.Size()), o)
	require.NoError(t, err)
	return area{m.Bytes(), m.Close}
}

func newArea(t testing.TB, size int64, geometry string) (area, *os.File) {
	f := newFile(t, size)
	return attach(t, f, geometry), f
}

func attach(t testing.TB, f *os.File, geometry string) area {
	a := mapFile(t, f, geometry, mem.Options{})
	t.Cleanup(func() {
		require.NoError(t, Forget(a.b))
		require.NoError(t, a.close())
	})
	return a
}

// holder takes the cells [0, n) and does what it is told.
// Args: geometry, n.
var _ = testproc.Helper("holder", func(c *testproc.Child) {
	a := mapFile(c, c.Files[0], c.Args[0], mem.Options{})
	n, err := strconv.Atoi(c.Args[1])
	require.NoError(c, err)
	for i := range n {
		require.NoError(c, a.cell(i).Take(0, 0))
	}
	c.WriteLine("held")
	for {
		switch c.ReadLine() {
		case "release":
			for i := range n {
				require.True(c, a.cell(i).Release())
			}
			c.WriteLine("released")
		case "return":
			return
		case "exit":
			os.Exit(0)
		case "panic":
			panic("on purpose")
		case "segv":
			_ = unix.Kill(unix.Getpid(), unix.SIGSEGV)
			c.Park()
		case "exec":
			require.NoError(c, unix.Exec(c.Args[2], c.Args[2:3], os.Environ()))
		case "games":
			games(c)
			c.WriteLine("played")
		}
	}
})

func startHolder(t *testing.T, f *os.File, geometry string, n int) *testproc.Proc {
	p := testproc.Start(t, "holder", testproc.Files(f), testproc.Args(geometry, strconv.Itoa(n)))
	p.Expect("held")
	return p
}

// lastHolder returns the pid of the Go process that took c last.
func lastHolder(c *Cell) int { return int(ident(c.Ident.Load()).pid()) }

func await(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(testproc.Watchdog); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("nothing happens for %v; stacks:\n%s", testproc.Watchdog, buf[:runtime.Stack(buf, true)])
		}
	}
}

// awaitMark waits until the kernel has marked the cell.
func awaitMark(t testing.TB, c *Cell) {
	t.Helper()
	await(t, func() bool { return c.Word.Load()&OwnerDied != 0 })
}

func start(f func() error) <-chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
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

// sleepers counts who sleeps on w, in any process, and disturbs nobody.
func sleepers(w *mem.Uint32) int {
	const requeue = 3
	n, _, e := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), requeue, 0, 1<<31-1, uintptr(unsafe.Pointer(w)), 0)
	if e != 0 {
		panic(e)
	}
	return int(n)
}

// lock is the smallest lock that can be made of a cell. It says whether its
// last holder died.
func lock(c *Cell) (died bool, err error) {
	for bits := uint32(0); ; {
		w := c.Word.Load()
		switch {
		case w&OwnerDied != 0:
			err = c.TakeOver(context.Background(), w)
			died = true
		case w&TIDMask == 0:
			err = c.Take(w, w&Waiters|bits)
			died = false
		case w&Waiters == 0 && !c.Word.CompareAndSwap(w, w|Waiters):
			continue
		default:
			bits = Waiters
			err = futex.Sleep(context.Background(), &c.Word, w|Waiters, c.CheckOwner)
			if err == nil {
				continue
			}
		}
		if !errors.Is(err, ErrHeld) {
			return died, err
		}
	}
}
