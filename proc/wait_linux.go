package proc

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// waitLook is how often a Wait asks for what causes no event: a file that was closed, an
// end whose news went to another goroutine that receives.
const waitLook = 50 * time.Millisecond

// watch waits until a source is ready or ctx is done, or only asks the kernel about the
// files if some source was found ready already.
//
// All descriptors are in one epoll, which is itself waited for in Go's poller. They are
// the caller's own, not duplicates: one that is closed drops out. Each reports its state
// when it is added and then once for each change (EPOLLET), so that one that is readable
// for nothing does not keep us busy.
func (w *waiting) watch(ctx context.Context, found bool) error {
	e, err := newEpoll()
	if err != nil {
		return err
	}
	defer e.file.Close()

	for i := range w.sources {
		if s := &w.sources[i]; s.raw != nil {
			if err := w.add(e, i, s.raw); err != nil {
				return w.failed(i, err)
			}
			found = found || s.ready
		}
	}
	if w.files {
		found = w.harvest(e) || found
	}
	if found || ctx.Err() != nil {
		return nil
	}

	for i := range w.sources {
		s := &w.sources[i]
		if s.end == nil {
			continue
		}
		f, err := s.end.pollFile()
		if err == nil {
			if s.ends() {
				defer f.Close()
			}
			var raw syscall.RawConn
			if raw, err = f.SyscallConn(); err == nil {
				err = w.add(e, i, raw)
			}
		}
		switch {
		case err == nil:
		case s.end.pending(): // it was closed just now
			s.ready = true
			return nil
		default:
			return w.failed(i, err)
		}
	}
	return w.park(ctx, e)
}

// add has the descriptor of source i watched.
func (w *waiting) add(e *epoll, i int, raw syscall.RawConn) error {
	s := &w.sources[i]
	var err error
	closed := raw.Control(func(fd uintptr) {
		s.fd = int(fd)
		err = e.add(s.fd, i)
	})
	switch {
	case closed != nil: // its own error is internal to the standard library
		return ErrClosed
	case err == unix.EPERM:
		s.ready = true // a regular file
	case err == unix.EEXIST:
		for j := i - 1; j >= 0 && s.same == i; j-- {
			if w.sources[j].fd == s.fd {
				s.same = w.sources[j].same
			}
		}
	case err != nil:
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

// harvest takes the events that there are, without waiting, and says whether a source is
// ready.
func (w *waiting) harvest(e *epoll) (found bool) {
	for {
		events := e.take()
		for _, ev := range events {
			s := &w.sources[ev.Fd]
			if s.end == nil || s.end.pending() {
				s.ready, found = true, true
			}
		}
		if len(events) < cap(events) {
			return found
		}
	}
}

// park waits in Go's poller.
func (w *waiting) park(ctx context.Context, e *epoll) error {
	defer context.AfterFunc(ctx, func() { e.file.SetReadDeadline(time.Unix(1, 0)) })()
	for {
		if w.silent {
			e.file.SetReadDeadline(time.Now().Add(waitLook))
		}
		// After the deadline was set: it may have replaced the one of ctx.
		if ctx.Err() == nil {
			err := e.raw.Read(func(uintptr) bool { return w.harvest(e) })
			if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
				return err
			}
		}
		// What comes together with the end of ctx counts.
		if w.harvest(e) || w.look() {
			return nil
		}
		if err := w.closed(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// epoll is an epoll instance that can wait in Go's poller.
type epoll struct {
	fd     int
	file   *os.File
	raw    syscall.RawConn
	events [64]unix.EpollEvent
}

func newEpoll() (*epoll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // for os.NewFile: it never blocks
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	e := &epoll{fd: fd, file: os.NewFile(uintptr(fd), "proc.Wait")}
	e.raw, err = e.file.SyscallConn()
	return e, err
}

func (e *epoll) add(fd, index int) error {
	return unix.EpollCtl(e.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLET,
		Fd:     int32(index), // ours to choose
	})
}

func (e *epoll) take() []unix.EpollEvent {
	for {
		n, err := unix.EpollWait(e.fd, e.events[:], 0)
		if err != unix.EINTR {
			return e.events[:max(n, 0)]
		}
	}
}
