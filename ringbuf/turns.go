package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/futex"
)

// A handle of a channel with many ends, or of a queue, has one lane and one seat, which
// all goroutines that use it share. Each
// side has a lock and a turn. The lock guards what the process knows of its lane or
// seat; nobody waits with it. Who has to wait needs the turn: one goroutine has it
// and spins or sleeps as the process's end, the others queue for it, and leave the
// queue when their context ends or the handle is closed. Who is given the turn tries
// first, so a wake that brings more than one goroutine needs is passed on with the
// turn. Shared memory is touched with the lock or the turn only, which is how Close
// knows that nobody touches it any more.

// turns is how the goroutines of a process share one end.
type turns struct {
	own  end
	life context.Context // ends with Close

	lock   sync.Mutex
	joined bool          // the role is taken; written with the turn too
	came   chan struct{} // closed when it is
	late   bool          // who has the turn has waited already: nobody is served before it

	turn    chan struct{} // full while somebody has the turn
	sleeper nap           // of who has the turn

	bells     []*bell // of those in Select who have not got the turn
	listeners atomic.Int32
}

// Why a goroutine that was not waiting is not served.
var (
	errOutside = errors.New("ringbuf: no role yet")
	errBeaten  = errors.New("ringbuf: others were faster")
	errQueued  = errors.New("ringbuf: others wait already")
)

// start is called when the end was initialised.
func (t *turns) start(life context.Context) {
	t.life, t.turn = life, make(chan struct{}, 1)
	t.came = make(chan struct{})
	t.own.rouse = func() {
		t.lock.Lock()
		joined := t.joined
		t.lock.Unlock()
		if joined {
			futex.WakeAll(t.sleeper.word)
		}
	}
}

// queue waits for the turn. finish gives it on. Without wait it returns errQueued, but
// not before the role is taken: until then there is nothing that one could try.
func (t *turns) queue(ctx context.Context, wait bool) error {
	select {
	case t.turn <- struct{}{}:
	default:
		var came <-chan struct{}
		if !wait {
			came = t.came
		}
		select {
		case t.turn <- struct{}{}:
		case <-came:
			return errQueued
		case <-ctx.Done():
			return ctx.Err()
		case <-t.life.Done():
			return ErrClosed
		}
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.own.closed.Load() {
		<-t.turn
		return ErrClosed
	}
	t.own.busy.Store(1)
	return nil
}

func (t *turns) finish() {
	t.lock.Lock()
	t.late = false
	t.own.busy.Store(0)
	t.lock.Unlock()
	<-t.turn
	t.ring()
}

// shut lets no call begin any more. Afterwards only who has the turn, and has set
// busy, touches shared memory.
func (t *turns) shut() {
	t.own.closed.Store(true)
	t.own.detour.Or(shut)
	t.lock.Lock()
	defer t.lock.Unlock()
	for _, b := range t.bells {
		b.ring()
	}
}

// become takes the role, with the turn. Without wait it does not wait for the end of
// a dying process, whose role that was.
func (t *turns) become(ctx context.Context, what string, wait bool, join func(context.Context) error) error {
	if t.joined {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.life, cancel)()
	if !wait {
		cancel()
	}
	err := join(ctx)
	switch {
	case err == nil:
		t.lock.Lock()
		t.joined = true
		close(t.came)
		t.lock.Unlock()
		return nil
	case t.own.closed.Load():
		return ErrClosed
	case !wait && errors.Is(err, context.Canceled):
		err = ErrBusy
	}
	return fmt.Errorf("become %s: %w", what, err)
}

// quit undoes a join.
func (t *turns) quit() {
	t.own.mine.Leave()
	t.own.holds = false
}

// careful is f, where the file may be truncated by others. A fault breaks the end.
func (t *turns) careful(f func() (int, error)) (n int, err error) {
	err = guard(func() (err error) { n, err = f(); return })
	if errors.Is(err, ErrTruncated) {
		t.condemn(err)
	}
	return n, err
}

// condemn makes err every later call's.
func (t *turns) condemn(err error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.own.broken == nil {
		_ = t.own.breaks(err)
	}
}

// rest waits, with the turn, as the end whose nap n is, for what p says. The error says
// why there is nothing to wait for. Who was woken, and does not go on, wakes another in
// its place.
func (t *turns) rest(ctx context.Context, w *patience, n *nap, p lanePark) error {
	err := t.own.wait(ctx, &t.sleeper, w, p.sleepFor, p.ready, p.announce, p.friend, p.gone)
	t.rise(n, err)
	if errors.Is(err, ErrTruncated) {
		t.condemn(err)
	}
	return err
}

func (t *turns) rise(n *nap, err error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.late = true
	n.woken = n.woken || t.sleeper.woken
	t.sleeper.woken = false
	if err != nil && n.woken && n.pass != nil {
		n.pass()
	}
}

// endStream is CloseSend of who sends. join makes this process a producer.
func (t *turns) endStream(ctx context.Context, s *shared, join func(context.Context) error) error {
	_, err := t.careful(func() (int, error) {
		if done, err := t.conclude(s); done || err != nil {
			return 0, err
		}
		if err := t.queue(ctx, true); err != nil {
			return 0, err
		}
		defer t.finish()
		if err := t.become(ctx, "producer", true, join); err != nil {
			return 0, err
		}
		_, err := t.conclude(s)
		return 0, err
	})
	return err
}

// conclude ends the stream, if this process is a producer.
func (t *turns) conclude(s *shared) (done bool, err error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	switch {
	case t.own.closed.Load():
		return false, ErrClosed
	case t.own.broken != nil:
		return false, t.own.broken
	case t.joined:
		s.endStream()
	}
	return t.joined, nil
}
