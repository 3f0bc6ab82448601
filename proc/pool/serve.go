package pool

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
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
