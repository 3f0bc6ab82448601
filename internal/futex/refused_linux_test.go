//go:build !explore

package futex

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// refuse makes the kernel answer futex_waitv with errno in every thread of this
// process, as a container's seccomp profile does.
func refuse(errno unix.Errno) error {
	const nr = 0 // offset of struct seccomp_data's field
	prog := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: nr},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_FUTEX_WAITV, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("PR_SET_NO_NEW_PRIVS: %w", err)
	}
	r, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	if e != 0 || r != 0 {
		return fmt.Errorf("seccomp: %w (thread %d)", e, r)
	}
	return nil
}

// refused sleeps in every way in a process that may not call futex_waitv.
var _ = testproc.Helper("refused", func(c *testproc.Child) {
	errno, err := strconv.Atoi(c.Args[0])
	require.NoError(c, err)
	if err := refuse(unix.Errno(errno)); err != nil {
		c.WriteLine("cannot: %v", err)
		return
	}
	_, _, e := unix.Syscall6(unix.SYS_FUTEX_WAITV, 0, 0, 0, 0, 0, 0)
	require.EqualValues(c, errno, e)
	w, _ := mapTable(c, c.Files[0])
	require.False(c, haveWaitv())
	c.WriteLine("refused")

	for w[3].Load() == 0 { // the test changes it, and wakes
		require.NoError(c, SleepAny(context.Background(), words(w, 3), nil))
		require.NoError(c, Sleep(context.Background(), &w[3], 0, nil))
	}
	c.WriteLine("changed")

	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel)
	for err = nil; err == nil; {
		err = SleepAny(ctx, words(w, 3), nil)
	}
	require.ErrorIs(c, err, context.Canceled)

	began := time.Now()
	ctx, cancel = context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	for err = nil; err == nil; {
		err = Sleep(ctx, &w[0], 0, nil)
	}
	require.ErrorIs(c, err, context.DeadlineExceeded)
	require.GreaterOrEqual(c, time.Since(began), 20*time.Millisecond)

	var asked atomic.Bool
	for !asked.Load() {
		require.NoError(c, Sleep(context.Background(), &w[0], 0, func() bool { return asked.Swap(true) || true }))
	}
	c.WriteLine("done")
})

func TestWaitvRefusedByTheKernel(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EPERM, unix.ENOSYS} {
		t.Run(errno.Error(), func(t *testing.T) {
			w, f := newTable(t)
			// words(w, 3) hold what they hold: SleepAny returns when the
			// second changes, then Sleep waits for word 3.
			p := testproc.Start(t, "refused", testproc.Args(strconv.Itoa(int(errno))), testproc.Files(f))
			switch line := p.ReadLine(); line {
			case "refused":
			default:
				testproc.Need(t, "seccomp: "+line, false)
			}
			awaitSleeper := func(i int) { await(t, func() bool { return sleepers(&w[i]) == 1 }) }
			awaitSleeper(0)
			w[32].Store(1)
			awaitSleeper(3)
			w[32].Store(0)
			w[3].Store(1)
			WakeAll(&w[3])
			p.Expect("changed")
			p.Expect("done")
			p.Succeed()
		})
	}
}
