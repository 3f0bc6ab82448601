package proc

import (
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// maxReport is what a pipe holds.
const maxReport = 64 << 10

// newReport returns both ends of the pipe of a child's report. They are not
// blocking, in this process and in the child.
func newReport() (ours, theirs int, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return -1, -1, os.NewSyscallError("pipe2", err)
	}
	return fds[0], fds[1], nil
}

// readReport reads what a child that has ended left behind, and closes fd. Its
// other end may be open still, in a program that the child ran.
func readReport(fd int) []byte {
	defer unix.Close(fd)
	buf := make([]byte, 4096)
	n := 0
	for n < maxReport {
		if n == len(buf) {
			buf = append(buf, make([]byte, len(buf))...)
		}
		k, err := unix.Read(fd, buf[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || k == 0 {
			break
		}
		n += k
	}
	return buf[:n]
}

// openReport has the runtime write to the report when it gives up.
func openReport(fd int) report {
	f := os.NewFile(uintptr(fd), "report")
	debug.SetCrashOutput(f, debug.CrashOptions{})
	unix.SetNonblock(fd, true) // it was made to block
	return report{f}
}

// report is the child's end.
type report struct{ file *os.File }

// fail reports the error that the function returned.
func (r report) fail(err error) {
	if r.file == nil {
		return
	}
	if raw, cerr := r.file.SyscallConn(); cerr == nil {
		// One call to the kernel, which does not wait.
		raw.Control(func(fd uintptr) { unix.Write(int(fd), encodeReport(err)) })
	}
}
