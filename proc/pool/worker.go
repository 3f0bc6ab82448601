package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// worker is the pool's view of one of its processes.
type worker struct {
	index    int // of its desk
	number   int
	desk     *desk
	requests *ringbuf.Producer
	answers  *ringbuf.Consumer
	rings    [2]*ringbuf.Ring
	control  *os.File
	side     *proc.Conn // nil if no task needs it
	ring     int        // bytes of a ring

	rx     sync.Mutex // held by who reads the answers
	flight [places]atomic.Pointer[batch]
	done   int // tasks that it has answered for, and how many of them failed; under rx
	failed int
	heard  bool // it has answered for a batch; under rx

	counted, countedFailed int // what of these is in the statistics; under core.mu too

	fetches fetches // from side

	sent race.Addr // what was read of a batch came before its answers: another process knows

	senders sync.WaitGroup // of heavy messages
	tell    sync.WaitGroup // writers to control

	// Under core.mu.
	process *proc.Process // nil until it has started
	since   time.Time     // when its start began
	slot    bool          // it is one of those that start at once
	ready   bool          // its initializer is through
	leaving bool          // it gets no more
	alone   bool          // a heavy message is on its way to it
	listed  bool          // in idle or roomy
	waited  bool          // its initializer is expected to answer
	seq     uint64        // the last batch
	flights int           // places that are taken, by batches and ghosts
	batches int           // without the ghosts
	bytes   int           // what they take in the ring
	lastEnd time.Time     // of a batch, or when the first one came
	quota   int           // tasks that it may still get, if there is a limit
}

type workerRef struct{ atomic.Pointer[worker] }

// takes says whether the worker can get b now, or, if that is nil, anything at all.
func (w *worker) takes(b *batch) bool {
	switch {
	case !w.ready, w.leaving, w.alone, w.quota <= 0, w.flights == places:
		return false
	case w.flights == 0 || b == nil:
		return true
	}
	size := b.size(b.next, b.n)
	return b.cargo == nil && size <= w.ring/4 && w.bytes+recordSize(size) <= w.ring
}

// sendHeavy sends what is heavy, from a goroutine of its own: nothing else is under way to
// this worker, so there is room in its rings.
func (w *worker) sendHeavy(b *batch, size int) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: panic: %v", ErrArgument, v)
		}
	}()
	if b.cargo != nil {
		if err := w.side.Send(context.Background(), b.cargo); err != nil {
			return err
		}
	}
	room, err := w.requests.Reserve(context.Background(), size)
	if err != nil {
		return err
	}
	b.put(room)
	w.sent.ReleaseMerge()
	return w.requests.Commit(size)
}

// dismiss lets the worker end when it has done what it has.
func (w *worker) dismiss() {
	if w.ready && !w.leaving {
		w.leaving = true
		if !w.alone { // else sendHeavy does it: a Producer is for one goroutine at a time
			_ = w.requests.CloseSend()
		}
	}
}

// keepBytes is how much memory of its last large message each ring of a worker keeps for
// the next one.
const keepBytes = 32 << 20

// launch makes the worker's process.
func (w *worker) launch(c *core) (err error) {
	if err := c.life.Err(); err != nil {
		return err
	}
	w.desk.reset()
	var e employment
	defer func() {
		if err != nil {
			if e.Requests != nil {
				e.Requests.Close()
			}
			if e.Answers != nil {
				e.Answers.Close()
			}
			w.close()
			if w.side != nil {
				w.side.Close()
			}
		}
	}()
	e = employment{Bell: c.board.bells, Desks: c.board.all, Desk: w.index, MaxMessage: c.opts.MaxMessage, Grace: c.opts.Grace, Block: c.opts.Block}
	if c.opts.Init != nil {
		e.Init, e.InitArg = c.opts.Init.name, c.opts.Init.arg
	}
	most := c.opts.MaxMessage + c.ring/chunkShare + batchHeader + maxName + 8 // an argument behind others
	opts := ringbuf.Options{Capacity: c.ring, MaxMessage: most, Keep: keepBytes, Strategy: ringbuf.Block}
	if w.rings[0], err = ringbuf.New("", &opts); err != nil {
		return err
	}
	if w.requests, err = w.rings[0].Producer(); err != nil {
		return err
	}
	if e.Requests, err = w.rings[0].Consumer(); err != nil {
		return err
	}
	opts.Strategy = ringbuf.Hybrid                                     // nobody sleeps for answers, but on the bell
	opts.MaxMessage = max(c.opts.MaxMessage, leastRing) + answerHeader // errors and trays are no results
	if w.rings[1], err = ringbuf.New("", &opts); err != nil {
		return err
	}
	if w.answers, err = w.rings[1].Consumer(); err != nil {
		return err
	}
	if e.Answers, err = w.rings[1].Producer(); err != nil {
		return err
	}
	if e.Control, w.control, err = newControl(); err != nil {
		return err
	}
	defer e.Control.file.Close()
	if tasks.cargo.Load() {
		if w.side, e.Side, err = proc.Pipe(&proc.PipeOptions{Capacity: leastRing, MaxMessage: c.opts.MaxMessage}); err != nil {
			return err
		}
		defer e.Side.Close() // which does nothing once it was given away
	}
	o := c.opts.Process
	o.Name = fmt.Sprintf("%s-worker-%d", o.Name, w.number)
	p, err := work.Start(c.life, e, &o)
	if err != nil {
		return err
	}
	c.mu.Lock()
	w.process = p
	c.mu.Unlock()
	return nil
}

// close gives up what the worker had, but for its side.
func (w *worker) close() {
	if w.requests != nil {
		w.requests.Close()
	}
	if w.answers != nil {
		w.answers.Close()
	}
	for _, r := range w.rings {
		if r != nil {
			r.Close()
		}
	}
	if w.control != nil {
		w.control.Close()
	}
}

// has gives the batches at the worker, the oldest first, and ghosts with them.
func (w *worker) has(yield func(*batch) bool) {
	for i := range uint64(places) {
		seq := w.seq + 1 + i - places
		if b := w.flight[seq%places].Load(); b != nil && b.seq == seq && !yield(b) {
			return
		}
	}
}

// movable says whether b, which the worker has, may go to another one if it has not begun: it
// is no ghost, nothing that goes beside the ring, and not on its way.
func (w *worker) movable(b *batch) bool { return b.load != nil && b.cargo == nil && !w.alone }

// hasBegun says whether the worker has begun one of the batches that it has.
func (w *worker) hasBegun() bool {
	for b := range w.has {
		if _, ok := w.desk.running(b.seq); ok {
			return true
		}
	}
	return false
}

// exit returns how the process ended.
func (w *worker) exit() *proc.ExitError {
	var e *proc.ExitError
	if err := w.process.Wait(context.Background()); err != nil && !errors.As(err, &e) {
		return &proc.ExitError{Name: w.process.Name(), PID: w.process.PID(), Code: -1, Cause: err}
	}
	if e == nil {
		e = &proc.ExitError{Name: w.process.Name(), PID: w.process.PID()}
	}
	return e
}
