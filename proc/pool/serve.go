package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/shm"
)

// employment is what a worker process gets when it starts.
type employment struct {
	Requests *ringbuf.Consumer
	Answers  *ringbuf.Producer
	Bell     *shm.Object[bell]
	Desks    *shm.Array[desk]
	Desk     int
	Control  *control
	Side     *proc.Conn // for what travels beside the rings; nil if no task needs it
	Init     string
	InitArg  []byte
	Grace    time.Duration
	Block    bool // do not spin

	MaxMessage int // of a result
}

// work is the function that a worker process runs.
var work = proc.Register("shmkit/proc/pool worker", func(ctx context.Context, e employment) error {
	s := &server{employment: e, board: boardOf(e.Bell, e.Desks), side: e.Side}
	s.desk = &s.board.desks[e.Desk]
	go func() {
		e.Control.read(s.cancel)
		// The pool's process has ended, or has no use for this one. What this one was
		// doing nobody will hear of; its own children hear of its end as it heard.
		os.Exit(exitOrphan)
	}()
	return s.serve()
})

// Exit codes of workers that end themselves.
const (
	exitOrphan = 1
	exitGrace  = 3 // a task went on after its context had ended: see desk.verdict
)

// server is a worker process's own view of itself.
type server struct {
	employment
	board *board
	desk  *desk
	side  *proc.Conn
	spin  futex.Spinner

	unrung int // bytes of answers that the pool was not told of

	mu      sync.Mutex
	current *duty // the batch that runs, or is about to
}

// serve does what the pool asks until it wants no more.
func (s *server) serve() error {
	s.desk.awake.Store(1)
	if err := s.initialize(); err != nil {
		return err
	}
	for {
		b, err := s.next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = s.do(b)
		}
		if err != nil {
			if errors.Is(err, ringbuf.ErrNoConsumer) || errors.Is(err, ringbuf.ErrPeerDied) {
				os.Exit(exitOrphan) // as above
			}
			return err
		}
	}
}

func (s *server) initialize() error {
	if s.Init == "" {
		return nil
	}
	inits.Lock()
	fn := inits.named[s.Init]
	inits.Unlock()
	err := proc.ErrNotRegistered
	if fn != nil {
		err = fn(context.Background(), s.InitArg)
	}
	a := answer{kind: answerReady}
	if err != nil {
		a.kind, a.body = answerBroken, encodeError(err)
	}
	if serr := s.send(a); serr != nil {
		return errors.Join(err, serr)
	}
	s.ring()
	return err
}

// next waits for the next batch.
func (s *server) next() ([]byte, error) {
	b, err := s.Requests.TryNext()
	if err != ringbuf.ErrEmpty {
		return b, err
	}
	if !s.Block {
		ready := func() bool {
			b, err = s.Requests.TryNext()
			return err != ringbuf.ErrEmpty
		}
		if s.board.spin(&s.spin, ready) {
			return b, err
		}
	}
	s.desk.awake.Store(0)
	began := time.Now()
	b, err = s.Requests.Next(context.Background())
	s.spin.Slept(time.Since(began))
	s.desk.awake.Store(1)
	return b, err
}

// duty is one batch on its way through a worker.
type duty struct {
	worker *server
	frame  batchFrame
	task   performer
	index  int // of the task that runs
	held   bool

	ctx    context.Context
	cancel context.CancelCauseFunc

	cancelled bool  // under server.mu: the pool has asked for it
	grace     *fuse // likewise: ends the process
}

// do runs the batch in b, a message that is held.
func (s *server) do(b []byte) error {
	f, name, err := parseBatch(b)
	if err != nil {
		return err
	}
	d := &duty{worker: s, frame: f, task: performerNamed(name), held: true}
	if d.task == nil {
		d.frame.name = string(name)
	}
	d.ctx, d.cancel = context.WithCancelCause(context.Background())
	s.mu.Lock()
	s.current = d
	s.mu.Unlock()
	// Whoever sees it running may cancel it, and so it is current before.
	if s.desk.begin(f.seq, f.first) {
		err = d.run()
	} else {
		if f.cargo {
			_ = d.dropCargo()
		}
		d.release()
		err = s.send(answer{seq: f.seq, kind: answerSkipped})
	}
	s.mu.Lock()
	s.current = nil
	if d.grace != nil {
		d.grace.stop()
	}
	s.mu.Unlock()
	d.cancel(nil)
	s.ring()
	return err
}

func (d *duty) run() error {
	s, f := d.worker, &d.frame
	if d.task != nil {
		if done, err := d.task.rush(d); done {
			return err
		}
	}
	for i := range f.count {
		d.index = f.first + i
		if i > 0 {
			s.desk.next(f.seq, d.index)
		}
		var arg []byte
		var err error
		if !f.cargo {
			if arg, err = f.argument(); err != nil {
				return err
			}
		}
		if err := d.perform(arg); err != nil {
			return err
		}
		crashpoint.Hit("pool.answered")
	}
	return nil
}

// perform runs one task.
func (d *duty) perform(arg []byte) error {
	if d.ctx.Err() != nil {
		if d.frame.cargo {
			return d.fail(d.dropCargo())
		}
		return d.fail(context.Cause(d.ctx))
	}
	if d.task == nil {
		if d.frame.cargo {
			_ = d.dropCargo()
		}
		return d.fail(fmt.Errorf("%w: task %s: %w", ErrArgument, d.frame.name, proc.ErrNotRegistered))
	}
	if d.frame.timeout == 0 {
		return d.task.perform(d.ctx, d, arg)
	}
	ctx, cancel := context.WithTimeout(d.ctx, d.frame.timeout)
	defer cancel()
	if g := d.worker.Grace; g > 0 {
		defer d.worker.deadline(together(d.frame.timeout, g), verdictTimeout).stop()
	}
	return d.task.perform(ctx, d, arg)
}

// dropCargo receives the argument of a task that will not run.
func (d *duty) dropCargo() error {
	var nobody any
	_ = d.worker.side.Recv(context.Background(), &nobody)
	return context.Cause(d.ctx)
}

// deadline ends this process after a time, unless it is stopped.
func (s *server) deadline(after time.Duration, verdict uint32) *fuse {
	return lightFuse(after, func() {
		s.desk.verdict.Store(verdict)
		os.Exit(exitGrace)
	})
}

// cancel ends the context of the batch, if that is the one that runs.
func (s *server) cancel(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.current
	if d == nil || d.frame.seq != seq || d.cancelled {
		return
	}
	d.cancelled = true
	d.cancel(ErrCancelled)
	if s.Grace > 0 {
		d.grace = s.deadline(s.Grace, verdictCancel)
	}
}

// last says whether the task that runs is the batch's last.
func (d *duty) last() bool { return d.index == d.frame.first+d.frame.count-1 }

// heard says that the argument of the task that runs has been read.
func (d *duty) heard() {
	if d.last() {
		d.release()
	}
}

// release gives the room of the batch's message back. It comes before the last answer,
// so that the pool, which counts how much is under way, never waits for room.
func (d *duty) release() {
	if d.held {
		d.worker.Requests.Release()
		d.held = false
	}
}

// reply answers for the task that runs.
func (d *duty) reply(kind answerKind, body []byte) error {
	d.heard()
	return d.worker.send(answer{seq: d.frame.seq, index: d.index, count: 1, kind: kind, body: body})
}

// answer answers for the task that runs with its encoded result.
func (d *duty) answer(part []byte) error {
	kind := answerValue
	if part == nil {
		kind = answerNil
	}
	if most := d.worker.MaxMessage; len(part) > most {
		return d.fail(fmt.Errorf("%w: %w: %d bytes of at most %d", ErrResult, ringbuf.ErrTooLarge, len(part), most))
	}
	err := d.reply(kind, part)
	if errors.Is(err, ringbuf.ErrTooLarge) || errors.Is(err, ringbuf.ErrNoSpace) {
		return d.fail(fmt.Errorf("%w: %w", ErrResult, err))
	}
	return err
}

// answerBeside is answer for a result that travels beside the ring.
func (d *duty) answerBeside(r any) error {
	if d.worker.unrung > 0 {
		d.worker.ring() // there may be no room beside the ring until those before are fetched
	}
	if err := d.worker.side.Send(context.Background(), r); err != nil {
		return d.fail(fmt.Errorf("%w: %w", ErrResult, err))
	}
	return d.reply(answerCargo, nil)
}

// fail answers with an error.
func (d *duty) fail(err error) error {
	rerr := d.reply(answerError, encodeError(err))
	if errors.Is(rerr, ringbuf.ErrTooLarge) || errors.Is(rerr, ringbuf.ErrNoSpace) {
		return d.reply(answerError, encodeError(fmt.Errorf("%w: the task's error: %w", ErrResult, rerr)))
	}
	return rerr
}

// send publishes an answer, which survives this process from then on. The pool is told
// when the batch is through, or when it has to make room.
func (s *server) send(a answer) error {
	n := answerHeader + len(a.body)
	if s.unrung > 0 && s.unrung+n > unrungBytes {
		s.ring()
	}
	room, err := s.Answers.Reserve(context.Background(), n)
	if err != nil {
		return err
	}
	a.put(room)
	mem.Copy(room[answerHeader:], a.body)
	crashpoint.Hit("pool.written")
	if err := s.Answers.Commit(n); err != nil {
		return err
	}
	crashpoint.Hit("pool.published")
	s.unrung += n + 16
	return nil
}

// unrungBytes is how much a worker publishes without telling: a quarter of the
// smallest ring, so that it never waits for room while the pool sleeps.
const unrungBytes = leastRing / 4

// ring tells the pool of all answers.
func (s *server) ring() {
	s.board.ring(s.desk)
	s.unrung = 0
}
