package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/shm"
)

// Four clients of a server, which is there already: processes that side a starts. They work
// until they are killed, and side a looks at what they have done.

// progress is how much each has done.
type progress [4]struct {
	done atomic.Uint64
	_    [120]byte
}

func (p *progress) total() (n uint64) {
	for i := range p {
		n += p[i].done.Load()
	}
	return n
}

// began says whether each has done something.
func (p *progress) began() bool {
	for i := range p {
		if p[i].done.Load() == 0 {
			return false
		}
	}
	return true
}

// clientPart is what a client gets.
type clientPart[T any] struct {
	Server   T
	Progress *shm.Object[progress]
	Number   int
}

// newClient registers clients that work through run, which does n operations.
func newClient[T any](name string, open func(ctx context.Context, server T, client int) (run func(n int) error, err error)) *proc.Func[clientPart[T]] {
	return proc.Register(name, func(ctx context.Context, p clientPart[T]) error {
		run, err := open(ctx, p.Server, p.Number)
		if err != nil {
			return err
		}
		for done := &p.Progress.Ptr()[p.Number].done; ; done.Add(1) {
			if err := run(1); err != nil {
				return err
			}
		}
	})
}

// four measures what four clients do together.
func four[T any](ctx context.Context, o *order, client *proc.Func[clientPart[T]], server T) (*outcome, error) {
	shared, err := shm.NewObject[progress]("", nil)
	if err != nil {
		return nil, err
	}
	p, ended := shared.Ptr(), make(chan error, len(progress{}))
	for i := range p {
		c, err := client.Start(ctx, clientPart[T]{server, shared, i}, &proc.Options{Daemon: true})
		if err != nil {
			return nil, err
		}
		defer func() {
			c.Kill()
			<-c.Done()
		}()
		go func() { ended <- c.Wait(ctx) }()
	}
	for !p.began() {
		if err := pass(time.Millisecond, ended); err != nil {
			return nil, err
		}
	}
	if err := pass(o.Timing.Warm, ended); err != nil {
		return nil, err
	}
	before, start := p.total(), time.Now()
	if err := pass(o.Timing.Run, ended); err != nil {
		return nil, err
	}
	return &outcome{ops: int64(p.total() - before), elapsed: time.Since(start)}, nil
}

// pass lets time go by, unless a client ends.
func pass(d time.Duration, ended <-chan error) error {
	select {
	case err := <-ended:
		return fmt.Errorf("%w: %w", errPeerLeft, err)
	case <-time.After(d):
		return nil
	}
}
