package pool

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/proc"
)

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
