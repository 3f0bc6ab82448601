package proc

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// watch waits until the process has ended and collects its status. It closes
// pidfd.
func (p *Process) watch(pidfd int) {
	if pidfd < 0 || !awaitPidFD(pidfd, p.reap) {
		// Without pidfds (refused by a container's profile) it takes a thread.
		// WNOWAIT leaves the status, so that the number cannot become another
		// process's while signal uses it.
		for unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
		p.reap()
	}
	p.finish()
}

// reap collects the status if the process has ended, and reports whether.
func (p *Process) reap() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ws unix.WaitStatus
	pid, err := unix.Wait4(p.pid, &ws, unix.WNOHANG, nil)
	if err == nil && pid == 0 {
		return false
	}
	p.ended = true
	switch {
	case err != nil:
		p.lost = true
	case ws.Signaled():
		p.code = -int(ws.Signal())
	default:
		p.code = ws.ExitStatus()
	}
	return true
}

// awaitPidFD calls over until it returns true: once now, and whenever the
// process of pidfd is reported to have ended. The goroutine is parked in the
// poller meanwhile and holds no thread. It closes pidfd, and returns false if
// the poller does not take it.
func awaitPidFD(pidfd int, over func() bool) bool {
	if err := unix.SetNonblock(pidfd, true); err != nil {
		unix.Close(pidfd)
		return false
	}
	f := os.NewFile(uintptr(pidfd), "pidfd")
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	return raw.Read(func(uintptr) bool { return over() }) == nil
}

// awaitParent waits until pid is not our parent any more.
func awaitParent(pid int) {
	orphaned := func() bool { return os.Getppid() != pid }
	// A number that is our parent's after the descriptor was opened was so when
	// it was opened.
	if pidfd, err := unix.PidfdOpen(pid, 0); err == nil {
		if awaitPidFD(pidfd, orphaned) {
			return
		}
	}
	for !orphaned() {
		time.Sleep(50 * time.Millisecond)
	}
}
