package pool

import (
	"context"
	"os"
	"time"

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
