package proc

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A door is the socket at which parcels are fetched. Its name is in the abstract
// namespace: no file is left behind, and who comes must be of the same user.
type door struct {
	address string
	file    *os.File
	raw     syscall.RawConn

	mu     sync.Mutex
	closed bool
	silent map[*os.File]bool // who has not shown a token yet
}

func openDoor() (*door, error) {
	fd, err := parcelSocket()
	if err != nil {
		return nil, err
	}
	d := &door{address: doorPrefix + rand.Text(), file: os.NewFile(uintptr(fd), "parcels"), silent: make(map[*os.File]bool)}
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: d.address}); err == nil {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err == nil {
		d.raw, err = d.file.SyscallConn()
	}
	if err != nil {
		d.file.Close()
		return nil, fmt.Errorf("open socket for handles: %w", err)
	}
	return d, nil
}

func parcelSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	return fd, os.NewSyscallError("socket", err)
}

// close ends attend, and sends away who has not shown a token. Callers that are being
// served go on.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.file.Close()
	for conn := range d.silent {
		conn.Close()
	}
}

// hear reads a caller's token.
func (d *door) hear(conn *os.File) (token string, err error) {
	d.mu.Lock()
	d.silent[conn] = true
	if d.closed {
		conn.Close()
	}
	d.mu.Unlock()
	var b [64]byte
	n, err := conn.Read(b[:])
	d.mu.Lock()
	delete(d.silent, conn)
	d.mu.Unlock()
	return string(b[:n]), err
}

// attend serves whoever knocks, until close.
func (d *door) attend() {
	for {
		switch fd, err := d.accept(); {
		case err == nil:
			go d.serve(os.NewFile(uintptr(fd), "parcel"))
		case errors.Is(err, os.ErrClosed):
			return
		case err != unix.ECONNABORTED: // the caller has left
			time.Sleep(10 * time.Millisecond) // until this process has closed some files
		}
	}
}

// accept waits in the poller, which holds no thread. After close it returns ErrClosed.
func (d *door) accept() (fd int, err error) {
	closed := d.raw.Read(func(s uintptr) bool {
		for {
			fd, _, err = unix.Accept4(int(s), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			if err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	if closed != nil { // with an error of its own
		return -1, os.ErrClosed
	}
	return fd, err
}

// serve hands a parcel out to the caller at the other end of conn.
func (d *door) serve(conn *os.File) {
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil || !sameUser(raw) {
		return
	}
	token, err := d.hear(conn)
	if err != nil {
		return
	}
	p := inDepot(token)
	if p == nil {
		return
	}
	n := 0
	if p.hand(raw) == nil {
		n, _ = conn.Read(make([]byte, 1)) // done, or the connection's end
	}
	if n == 1 || !p.stays {
		p.drop()
	}
}

// sameUser says whether the process at the other end is of this user.
func sameUser(raw syscall.RawConn) bool {
	same := false
	raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		same = err == nil && int(cred.Uid) == os.Geteuid()
	})
	return same
}

// hand sends the descriptors, as many datagrams as it takes, but one at least.
func (p *parcel) hand(raw syscall.RawConn) error {
	for sent, more := 0, true; more; {
		var err error
		closed := raw.Write(func(fd uintptr) bool {
			p.mu.Lock() // so that nobody closes what is being sent
			defer p.mu.Unlock()
			if p.dropped {
				err = os.ErrClosed
				return true
			}
			batch := p.files[sent:min(sent+mostPerDatagram, len(p.files))]
			var rights []byte
			if len(batch) > 0 {
				rights = unix.UnixRights(batch...)
			}
			if err = sendmsg(int(fd), []byte{0}, rights); err == nil {
				sent += len(batch)
				more = sent < len(p.files)
			}
			return err != unix.EAGAIN
		})
		if err := errors.Join(closed, err); err != nil {
			return err
		}
	}
	return nil
}
