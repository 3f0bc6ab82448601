package proc

import (
	"context"
	"os"
)

// A Waitable is what Wait waits for: a *Conn, *Queue, *JoinableQueue, *SimpleQueue,
// *Process, *ParentProcess, *os.File, or anything else with a descriptor of its own
// (syscall.Conn), such as a net.Conn or a net.Listener. A ring's end is none, but the
// file that its PollFile returns is.
type Waitable any

// Wait waits until at least one of its arguments is ready, as long as ctx allows, and
// returns all that are, in the order given. (Python's multiprocessing.connection.wait.)
//
// A Conn or a queue is ready when receiving from it would not wait: there is something,
// or it is at its end, closed or broken. A process is ready when it has ended; a stopped
// one is not. A file or a socket is ready when it can be read without waiting: there is
// data, a connection to accept, the end, an error. Regular files and directories always
// are.
//
// Nothing is received: what is ready is so in the next call too, unless another goroutine
// or process was faster. So whoever shares a Conn or a queue receives with TryGet or a
// ctx that ends.
//
// With a ctx that is done already, Wait only looks, as Python does with a timeout of 0.
// When nothing is ready at the end of ctx it returns no Waitable and the ctx's error.
// Without arguments it waits for that.
//
// Other errors come without a Waitable and name the argument: ErrNotWaitable, at once;
// ErrClosed for a file that is closed, or is being closed meanwhile, which takes up to
// 50 ms to notice; ErrOneWay for a Conn that only sends; ErrSelf for Current; those of
// Queue.Get when this process cannot become one that gets; and the system's.
//
// It may be called from many goroutines, also with the same arguments. It takes one
// descriptor while it waits, and up to two for each process, Conn and queue, which these
// may keep until they end or are closed; no goroutine and no thread. A Conn that another
// goroutine receives from meanwhile may be reported 50 ms late. Files stay as they are,
// blocking or not.
func Wait(ctx context.Context, ready ...Waitable) ([]Waitable, error) {
	if len(ready) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	w, err := newWaiting(ready)
	if err != nil {
		return nil, err
	}
	if found := w.look(); w.files || !found && ctx.Err() == nil {
		if err := w.watch(ctx, found); err != nil {
			return nil, err
		}
	}
	if list := w.list(); len(list) > 0 {
		return list, nil
	}
	return nil, ctx.Err()
}

// pollable is what Wait asks of the ends of this package: connections and
// queues.
type pollable interface {
	// pending reports whether a call would return at once, with something
	// received, the end of the stream or an error. It consumes nothing. When it
	// has said no, pollFile's descriptor becomes readable anew with the next news;
	// if that cannot be had, a later pending must say yes.
	pending() bool

	// pollFile returns a descriptor that becomes readable when pending may have
	// become true. It may be readable for nothing. It belongs to the object and
	// lives as long.
	pollFile() (*os.File, error)
}
