package proc

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func controlMark(fd, handles int) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", os.NewSyscallError("fstat", err)
	}
	return fmt.Sprintf("%d:%d", handles, st.Ino), nil
}

// inherit returns what the parent left open for this process, and whether it is
// a child at all.
func inherit() (in inherited, ok bool) {
	mark, ok := os.LookupEnv(controlEnv)
	if !ok {
		return in, false
	}
	os.Unsetenv(controlEnv)
	var handles int
	var ino uint64
	if _, err := fmt.Sscanf(mark, "%d:%d", &handles, &ino); err != nil {
		return in, false
	}
	// A program that was run before Main had removed the variable inherits it,
	// but not the connection.
	var st unix.Stat_t
	if err := unix.Fstat(controlFD, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK || st.Ino != ino {
		return in, false
	}

	unix.CloseOnExec(controlFD)
	in.control = os.NewFile(controlFD, "control")
	unix.CloseOnExec(reportFD)
	in.report = openReport(reportFD)
	for i := range handles {
		unix.CloseOnExec(firstHandleFD + i)
		in.files = append(in.files, os.NewFile(uintptr(firstHandleFD+i), "inherited"))
	}
	// Executing /proc/self/exe has named this process "exe".
	os.WriteFile("/proc/self/comm", []byte(filepath.Base(os.Args[0])), 0)
	return in, true
}
