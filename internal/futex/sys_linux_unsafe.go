//go:build linux && !explore

package futex

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"golang.org/x/sys/unix"
)

// Operations of futex(2); x/sys has the system call numbers only. Waits are
// made with Syscall6, so that the scheduler knows; wakes do not block and are
// made with RawSyscall6.
const (
	opWake       = 1
	opWakeOp     = 5
	opWaitBitset = 9
	private      = 128
	matchAny     = 0xffffffff

	waitvSize32  = 2   // FUTEX2_SIZE_U32
	waitvPrivate = 128 // FUTEX2_PRIVATE

	maxWake = 1<<31 - 1
)

// waitv is struct futex_waitv of <linux/futex.h>.
type waitv struct {
	val      uint64
	addr     uint64
	flags    uint32
	reserved uint32
}

// sysWait sleeps while *w == val, until deadline (CLOCK_MONOTONIC; nil: for
// ever). A signal that arrives under a deadline gives EINTR.
func sysWait(w *mem.Uint32, val uint32, deadline *unix.Timespec) unix.Errno {
	_, _, e := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), opWaitBitset, uintptr(val),
		uintptr(unsafe.Pointer(deadline)), 0, matchAny)
	return e
}

// sysWaitv sleeps while every word holds its value.
func sysWaitv(v []waitv, deadline *unix.Timespec) unix.Errno {
	_, _, e := unix.Syscall6(unix.SYS_FUTEX_WAITV, uintptr(unsafe.Pointer(&v[0])), uintptr(len(v)), 0,
		uintptr(unsafe.Pointer(deadline)), unix.CLOCK_MONOTONIC, 0)
	runtime.KeepAlive(v)
	return e
}

// Wake wakes up to n sleepers of w, in any process, and returns how many.
func Wake(w *mem.Uint32, n int) int {
	r, _, e := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), opWake, uintptr(n), 0, 0, 0)
	if e != 0 {
		return 0
	}
	return int(r)
}

// WakeAll wakes every sleeper of w.
func WakeAll(w *mem.Uint32) { Wake(w, maxWake) }

// WakeClear sets w to 0 and wakes one of its sleepers, both in one system call
// (FUTEX_WAKE_OP with FUTEX_OP_SET): a process that is killed has done both or
// neither.
func WakeClear(w *mem.Uint32) error {
	_, _, e := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), opWakeOp, 1, 0, uintptr(unsafe.Pointer(w)), 0)
	if e != 0 {
		return ErrFault
	}
	return nil
}

// Encodings of FUTEX_WAKE_OP: FUTEX_OP_ANDN | FUTEX_OP_OPARG_SHIFT with a shift of 31.
const andNotBit31 = (3|8)<<28 | 31<<12

// WakeBit clears bit 31 of w and wakes everybody who sleeps on it, both in one
// system call, like WakeClear.
func WakeBit(w *mem.Uint32) error {
	_, _, e := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), opWakeOp, maxWake, 0, uintptr(unsafe.Pointer(w)), andNotBit31)
	if e != 0 {
		return ErrFault
	}
	return nil
}

// Yield lets other processes run on this processor, if any wants to
// (sched_yield(2)). Other goroutines of this process are served as in any
// system call.
func Yield() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

func sysWakePrivate(w *mem.Uint32) {
	_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), opWake|private, maxWake, 0, 0, 0)
}

// refuseWaitv makes the process behave as on a kernel or in a container
// without futex_waitv. Tests set it.
var refuseWaitv atomic.Bool

// haveWaitv says whether futex_waitv works here: it is missing before Linux
// 5.16 (ENOSYS) and refused by some seccomp profiles (EPERM). A call with no
// words gives EINVAL where it works.
func haveWaitv() bool {
	if refuseWaitv.Load() {
		return false
	}
	switch waitvState.Load() {
	case waitvYes:
		return true
	case waitvNo:
		return false
	}
	_, _, e := unix.RawSyscall6(unix.SYS_FUTEX_WAITV, 0, 0, 0, 0, 0, 0)
	if e == unix.EINVAL {
		waitvState.Store(waitvYes)
		return true
	}
	waitvState.Store(waitvNo)
	return false
}

var waitvState atomic.Uint32

const (
	waitvYes = 1
	waitvNo  = 2
)

// monotonic returns the CLOCK_MONOTONIC time that lies d from now, or the last
// that there is.
func monotonic(d time.Duration) unix.Timespec {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return unix.NsecToTimespec(now.Nano() + min(int64(d), math.MaxInt64-now.Nano()))
}

func before(a, b *unix.Timespec) bool {
	return a.Sec < b.Sec || a.Sec == b.Sec && a.Nsec < b.Nsec
}

// The kernel reads this address while the goroutine sleeps, so it must not be
// on a stack, which may move: waiters live on the heap.
func addr64(w *mem.Uint32) uint64 { return uint64(uintptr(unsafe.Pointer(w))) }
