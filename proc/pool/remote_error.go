package pool

import (
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/wireerr"
	"github.com/shmkit/shmkit/proc"
)

// A RemoteError is what a task returned in its worker. Errors do not travel: it has the
// text. But it is, for errors.Is, each error that the task's was and that both processes
// know; see proc.RemoteError.
type RemoteError struct {
	*proc.RemoteError
	Task string // the name of the task
	PID  int    // the worker's process id
}

// Unwrap returns the error as package proc knows it, and with it what it is.
func (e *RemoteError) Unwrap() error { return e.RemoteError }

// Of this package, tasks may return these.
var _ = [...]error{
	wireerr.Register("pool.ErrResult", ErrResult), wireerr.Register("pool.ErrWorkerDied", ErrWorkerDied),
	wireerr.Register("pool.ErrCancelled", ErrCancelled), wireerr.Register("pool.ErrTerminated", ErrTerminated),
}

// encodeError never fails: an error whose own methods panic is a panic of the task.
func encodeError(err error) []byte { return wireerr.Encode(err) }

func decodeError(data []byte, task string, pid int) error {
	err := wireerr.Decode(append([]byte(nil), data...))
	var remote *proc.RemoteError
	if !errors.As(err, &remote) {
		return fmt.Errorf("%w: error of task %s: %w", ErrResult, task, err)
	}
	return &RemoteError{remote, task, pid}
}
