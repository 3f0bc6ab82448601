//go:build !explore

package futex

import (
	"os"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// table is the shared memory of these tests.
type table [512]mem.Uint32

func mapTable(t require.TestingT, f *os.File) (*table, *mem.Mapping) {
	m, err := mem.Map(f, int(unsafe.Sizeof(table{})), mem.Options{})
	require.NoError(t, err)
	return (*table)(unsafe.Pointer(&m.Bytes()[0])), m
}

// newTable maps a new memfd.
func newTable(t *testing.T) (*table, *os.File) {
	fd, err := unix.MemfdCreate("futex-test", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "futex-test")
	require.NoError(t, f.Truncate(int64(unsafe.Sizeof(table{}))))
	w, m := mapTable(t, f)
	t.Cleanup(func() {
		require.NoError(t, m.Close())
		f.Close()
	})
	return w, f
}

func words(w *table, n int) []Word {
	v := make([]Word, n)
	for i := range v {
		v[i].Addr = &w[i*32%512+i/16]
	}
	return v
}

// sleepers counts who sleeps on w in the kernel, in any process, and disturbs
// nobody: it requeues all of them from w to w and wakes none.
func sleepers(w *mem.Uint32) int {
	const requeue = 3
	n, _, e := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), requeue, 0, maxWake, uintptr(unsafe.Pointer(w)), 0)
	if e != 0 {
		panic(e)
	}
	return int(n)
}

// awaitSleepers waits until n sleep on w in the kernel. In this process a
// group (bay.go) counts as one.
func awaitSleepers(t *testing.T, w *mem.Uint32, n int) {
	t.Helper()
	await(t, func() bool { return sleepers(w) == n })
}

// await waits until ok.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(testproc.Watchdog); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("nothing happens for %v; stacks:\n%s", testproc.Watchdog, buf[:runtime.Stack(buf, true)])
		}
	}
}

// followers counts the goroutines that sleep behind w's leaders.
func followers(w *mem.Uint32) (n int) {
	b := bayOf(w)
	b.Lock()
	defer b.Unlock()
	for _, l := range b.leaders {
		if l.words[0].Addr == w {
			n += len(l.followers)
		}
	}
	return n
}

// result receives what a goroutine returns, under the watchdog.
func result(t *testing.T, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(testproc.Watchdog):
		buf := make([]byte, 1<<20)
		t.Fatalf("nothing happens for %v; stacks:\n%s", testproc.Watchdog, buf[:runtime.Stack(buf, true)])
		return nil
	}
}

func start(f func() error) <-chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

// ways runs a test with futex_waitv and without it.
func ways(t *testing.T, test func(t *testing.T)) {
	t.Run("waitv", func(t *testing.T) {
		testproc.Need(t, "futex_waitv", haveWaitv())
		test(t)
	})
	t.Run("refused", func(t *testing.T) {
		refuseWaitv.Store(true)
		defer refuseWaitv.Store(false)
		test(t)
	})
}

func isWaitv(t *testing.T) bool { return haveWaitv() }
