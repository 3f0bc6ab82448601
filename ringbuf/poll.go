package ringbuf

import (
	"fmt"
	"os"
	"sync/atomic"
)

// PollFile returns a descriptor for programs that wait in epoll, poll or select, or in
// Go's network poller: it is readable when there is something to receive, or the stream
// has ended, the producer has gone, or this end is broken or closed. It stays so until
// TryNext or TryRecv returns ErrEmpty. So a program receives until ErrEmpty, and waits
// for the descriptor then. It may be readable for nothing; ErrEmpty follows.
//
// The file is an eventfd. It belongs to the caller, who closes it; each call returns
// another one for the same event. It is non-blocking: Read of 8 bytes, with
// SetReadDeadline, waits in Go's poller. After Close of this end, or when it is given to
// another process, it is readable, and TryRecv returns ErrClosed.
//
// Other calls that wait on the same end, Recv or Select, get the wakes that the
// descriptor would get, which then becomes readable up to 50 ms late. If the process
// does not receive when the descriptor is readable, other consumers of the ring find the
// message after at most 50 ms.
//
// All descriptors of a process that wait share one goroutine, and one thread, for each
// 63; there is none when none waits. Errors: ErrClosed, errors.ErrUnsupported, and those
// of eventfd(2).
func (c *Consumer) PollFile() (*os.File, error) {
	return c.end.pollFile(func() watched {
		if c.lane != nil {
			return &laneWatch{r: &c.lane.laneReceiver}
		}
		return newPairWatch(&c.receiver)
	}, true)
}

// PollFile returns a descriptor that is readable when there is something to receive, as
// Consumer.PollFile does. If this process has not received from the channel yet, and so
// is not its consumer, it is readable at first: TryRecv then makes it one, and returns
// ErrEmpty if there is nothing.
func (c *Chan[T]) PollFile() (*os.File, error) {
	if c.many != nil {
		r := &c.many.recv
		r.lock.Lock()
		joined := r.joined
		r.lock.Unlock()
		return r.own.pollFile(func() watched { return &laneWatch{r: &r.laneReceiver, t: &r.turns} }, joined)
	}
	r := &c.recv
	return r.pollFile(func() watched { return newPairWatch(&r.receiver) }, r.holds)
}

// polled is an end that has a descriptor. It is armed, and then in a group, from the
// ErrEmpty of a call until the descriptor is readable.
type polled struct {
	e     *end
	on    watched
	fd    int         // the end's own, -1 when it was closed
	group *pollGroup  // nil: not armed
	armed atomic.Bool // there is a group; to be read without the lock
	woken atomic.Bool // it was woken as one of many, and has not received since
}

// pollFile makes the end pollable, if it is not, and returns a descriptor. watch returns
// how; the caller has the role if holds.
func (e *end) pollFile(watch func() watched, holds bool) (*os.File, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state != open {
		return nil, ErrClosed
	}
	p := e.polled.Load()
	made := p == nil
	if made {
		fd, err := newEvent()
		if err != nil {
			return nil, fmt.Errorf("make descriptor: %w", err)
		}
		p = &polled{e: e, on: watch(), fd: fd}
	}
	f, err := dupEvent(p.fd)
	if err != nil {
		if made {
			closeEvent(p.fd)
		}
		return nil, fmt.Errorf("make descriptor: %w", err)
	}
	if made {
		e.polled.Store(p)
		if holds {
			p.arm()
		} else {
			raiseEvent(p.fd)
		}
	}
	return f, nil
}

// tried is told what a call that does not wait has returned, and returns it.
func (e *end) tried(err error) error {
	if p := e.polled.Load(); p != nil {
		p.tried(err)
	}
	return err
}

func (p *polled) tried(err error) {
	if p.woken.Load() && p.woken.Swap(false) && err == nil {
		p.on.passOn()
	}
	if err == ErrEmpty && !p.armed.Load() {
		p.arm()
	}
}

// unpoll makes the descriptor readable, because the end is closed or given away.
func (e *end) unpoll() {
	if p := e.polled.Load(); p != nil {
		p.disarm()
	}
}

// dropPoll closes the end's own descriptor. The caller's stay readable.
func (e *end) dropPoll() {
	if p := e.polled.Load(); p != nil {
		polls.Lock()
		defer polls.Unlock()
		if p.fd >= 0 {
			raiseEvent(p.fd)
			closeEvent(p.fd)
			p.fd = -1
		}
	}
}
