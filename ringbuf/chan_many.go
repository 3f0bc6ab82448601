package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/futex"
)

// A channel with many ends is made of the lanes and seats of a ring with many ends
// (shared.go). A lane's memory is its slots; indices count eighths of a slot, so that
// bit 0 of a lane's cut is free. A value is received by the move of the head, after it
// was copied out: it is never held, and cannot be received again.
//
// A handle has one lane and one seat, which all goroutines that use it share. Each
// side has a lock and a turn. The lock guards what the process knows of its lane or
// seat; nobody waits with it. Who has to wait needs the turn: one goroutine has it
// and spins or sleeps as the process's end, the others queue for it, and leave the
// queue when their context ends or the channel is closed. Who is given the turn tries
// first, so a wake that brings more than one goroutine needs is passed on with the
// turn. Shared memory is touched with the lock or the turn only, which is how Close
// knows that nobody touches it any more.

// chanMany is both sides of a channel with many ends, as one handle has it.
type chanMany[T any] struct {
	s     *shared
	send  manySender[T]
	recv  manyReceiver[T]
	close context.CancelFunc
}

// slotSize is the room that a value takes in a lane.
func slotSize[T any]() int { return max(sizeOf[T](), 1) }

// init lays the channel of that geometry over b.
func (m *chanMany[T]) init(b []byte, f *os.File, g geometry, o Options, guarded bool) {
	life, cancel := context.WithCancel(context.Background())
	m.s, m.close = sharedOf(b, f, g, o), cancel
	m.send.init(m.s, life, guarded)
	m.recv.init(m.s, life, guarded)
}

// leave is Chan.Close.
func (m *chanMany[T]) leave() {
	// Before the first leaves, so that the other does not take it for the peer's
	// leaving.
	m.send.shut()
	m.recv.shut()
	m.close()
	m.send.end.close()
	m.recv.end.close()
}

// stats are in values, while indices count eighths of slots.
func (m *chanMany[T]) stats() Stats {
	return m.s.stats(recordUnit)
}

// pids are the processes that take part.
func (m *chanMany[T]) pids() (producers, consumers []int) {
	_ = guard(func() error {
		for i := range m.s.usedLanes() {
			if pid := m.s.lanes[i].PID(); pid != 0 {
				producers = append(producers, pid)
			}
		}
		for x := range m.s.usedSeats() {
			if pid := m.s.seats[x].PID(); pid != 0 {
				consumers = append(consumers, pid)
			}
		}
		return nil
	})
	return producers, consumers
}

// turns is how the goroutines of a process share one end.
type turns struct {
	own  end
	life context.Context // ends with Close

	lock   sync.Mutex
	joined bool // the role is taken; written with the turn too
	late   bool // who has the turn has waited already: nobody is served before it

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
	t.own.rouse = func() {
		t.lock.Lock()
		joined := t.joined
		t.lock.Unlock()
		if joined {
			futex.WakeAll(t.sleeper.word)
		}
	}
}

// queue waits for the turn. finish gives it on.
func (t *turns) queue(ctx context.Context, wait bool) error {
	select {
	case t.turn <- struct{}{}:
	default:
		if !wait {
			return errQueued
		}
		select {
		case t.turn <- struct{}{}:
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

// waited notes, after a wait and with the lock, whether it ended by a wake.
func (t *turns) waited(n *nap) {
	t.late = true
	n.woken = n.woken || t.sleeper.woken
	t.sleeper.woken = false
}
