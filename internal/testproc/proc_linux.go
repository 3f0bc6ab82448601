package testproc

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const supported = true

const (
	killSignal = unix.SIGKILL
	stopSignal = unix.SIGSTOP
	contSignal = unix.SIGCONT
	quitSignal = unix.SIGQUIT
)

// starter runs functions on a thread that lives as long as the process. The
// parent-death signal fires when the thread that started the child ends
// (golang/go#27505), so children are started there.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go startKeeper(work)
	return work
})

func startKeeper(work <-chan func()) {
	runtime.LockOSThread()
	for fn := range work {
		fn()
	}
}

// startBound starts cmd so that it is killed when this process dies.
func startBound(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	err := make(chan error)
	starter() <- func() { err <- cmd.Start() }
	return <-err
}

func closeOnExec(fd uintptr) { unix.CloseOnExec(int(fd)) }

// waitStopped waits until pid has stopped (true) or ended (false). It leaves the
// child's state for others to wait for.
func waitStopped(pid int) bool {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		switch err {
		case nil:
			return info.Code == cldStopped
		case unix.EINTR:
		default:
			return false
		}
	}
}

// cldStopped is CLD_STOPPED of <asm-generic/siginfo.h>.
const cldStopped = 5
