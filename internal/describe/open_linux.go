package describe

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/shmfile"
)

// OpenName opens the named object for reading, without being one of its users.
func OpenName(name string) (*os.File, error) {
	if err := shmfile.CheckName(name); err != nil {
		return nil, err
	}
	return openPath(shmfile.Dir+"/"+name, unix.O_NOFOLLOW)
}

// OpenDescriptor opens what a descriptor of another process leads to, alike. The
// description is a new one: it shares no offset and no locks.
func OpenDescriptor(pid, fd int) (*os.File, error) {
	return openPath("/proc/"+strconv.Itoa(pid)+"/fd/"+strconv.Itoa(fd), 0)
}

// Somebody who sweeps has a lease on the file for an instant.
const (
	looks = 20
	pause = 5 * time.Millisecond
)

// openPath opens a regular file and nothing else. It looks first, by a descriptor that
// can do nothing: to open a FIFO, or a device, would be noticed.
func openPath(path string, flags int) (*os.File, error) {
	look, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", Plain(path), err)
	}
	defer unix.Close(look)
	var st unix.Stat_t
	if err := unix.Fstat(look, &st); err != nil {
		return nil, fmt.Errorf("stat %s: %w", Plain(path), err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%s: %w: not a regular file", Plain(path), shmfile.ErrForeign)
	}
	self := "/proc/self/fd/" + strconv.Itoa(look)
	quiet := unix.O_NOATIME // reading is not to be seen in the file either
	for n := 0; ; n++ {
		fd, err := unix.Open(self, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|quiet, 0)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), path), nil
		case errors.Is(err, unix.EPERM) && quiet != 0: // another user's
			quiet = 0
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN) && n < looks:
			time.Sleep(pause)
		default:
			return nil, fmt.Errorf("open %s: %w", Plain(path), err)
		}
	}
}

// NextData returns where from off on the file has memory, its end if nowhere.
func NextData(f *os.File, off, size int64) int64 {
	at, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return size
	case err != nil || at < off:
		return off
	}
	return at
}
