package manager

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// Whatever waits stands in a line, a slice that the object's lock guards. A request that
// can be let through only if its client still waits is parked also when it need not wait:
// the client that gives up and the object that sends decide by the same word who was
// first (parked.send). So an error of the caller's context says that nothing has happened.

// leaveLine takes w out of a line, and says whether it stood there.
func leaveLine[W comparable](line *[]W, w W) bool {
	i := slices.Index(*line, w)
	if i < 0 {
		return false
	}
	*line = slices.Delete(*line, i, i+1)
	return true
}

// firm is the context of what has to be done although the caller's context has ended: to
// give something back. Only a manager that is stopped can hold that up.
func firm(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

var tickets atomic.Uint64 // of the waits of this process that can be interrupted

// interruptible runs wait, a call that the client must not give up. When ctx ends it has the
// manager interrupt it, with operation o and the ticket that the call has named; again and
// again, since the interruption may overtake the call.
func (r *ref) interruptible(ctx context.Context, o op, ticket uint64, wait func() error) error {
	over, quiet := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(quiet)
		for pause := 50 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
			if known, err := r.interrupt(firm(ctx), o, ticket); known || err != nil {
				return // with an error the call ends as well
			}
			select {
			case <-over:
				return
			case <-time.After(pause):
			}
		}
	})
	err := wait()
	close(over)
	if !stop() {
		<-quiet
	}
	return err
}

func (r *ref) interrupt(ctx context.Context, o op, ticket uint64) (known bool, err error) {
	t := r.c.begin(r.id, o)
	defer t.end()
	t.number(ticket)
	reply, err := t.call(ctx, false)
	return err == nil && reply.flag(), err
}
