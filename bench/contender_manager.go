package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
	"github.com/shmkit/shmkit/shm"
)

// Contenders that use a manager in a process of its own: its place is the other one.

// managerPin binds the server process.
var managerPin = manager.RegisterInit("pin", func(_ context.Context, cpu int) error {
	runtime.GOMAXPROCS(runtime.NumCPU()) // see peerMain
	return pinThreads(cpu)
})

// withManager is a side that works with a manager.
func withManager(work func(ctx context.Context, o *order, m *manager.Manager) (*outcome, error)) func(o *order) (*outcome, error) {
	return func(o *order) (out *outcome, err error) {
		ctx := context.Background()
		var options manager.Options
		if o.Other >= 0 {
			options.Init = managerPin(o.Other)
		}
		m, err := manager.Start(ctx, &options)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, m.Close()) }()
		return work(ctx, o, m)
	}
}

// dictPair is a Dict.
var dictPair = &pair{name: "Dict", a: withManager(func(ctx context.Context, o *order, m *manager.Manager) (*outcome, error) {
	d, err := manager.NewDict[string, uint64](ctx, m)
	if err != nil {
		return nil, err
	}
	if o.Job == jobFour {
		return fourClients(ctx, o, d)
	}
	var number uint64
	return o.measure(func(n int) error { return setAndGet(ctx, d, dictKey(0), &number, n) })
})}

func dictKey(client int) string { return fmt.Sprintf("client-%d", client) }

// setAndGet sets the value of a key to the next numbers, and gets each.
func setAndGet(ctx context.Context, d *manager.Dict[string, uint64], key string, number *uint64, n int) error {
	for range n {
		*number++
		if err := d.Set(ctx, key, *number); err != nil {
			return err
		}
		got, err := d.Get(ctx, key)
		if err != nil {
			return err
		}
		if got != *number {
			return wrongNumber(got, *number)
		}
	}
	return nil
}

// progress counts what each of four clients has done.
type progress struct {
	clients [4]struct {
		done atomic.Uint64
		_    [120]byte
	}
}

// total is what all have done.
func (t *progress) total() (n uint64) {
	for i := range t.clients {
		n += t.clients[i].done.Load()
	}
	return n
}

// began says whether each has done something.
func (t *progress) began() bool {
	for i := range t.clients {
		if t.clients[i].done.Load() == 0 {
			return false
		}
	}
	return true
}

type dictClientPart struct {
	Dict     *manager.Dict[string, uint64]
	Progress *shm.Object[progress]
	Number   int
}

// dictClient sets and gets until it is killed.
var dictClient = proc.Register("dict client", func(ctx context.Context, p dictClientPart) error {
	done := &p.Progress.Ptr().clients[p.Number].done
	var number uint64
	for {
		if err := setAndGet(ctx, p.Dict, dictKey(p.Number), &number, 1); err != nil {
			return err
		}
		done.Store(number)
	}
})

// fourClients has four processes set and get, each a key of its own.
func fourClients(ctx context.Context, o *order, d *manager.Dict[string, uint64]) (out *outcome, err error) {
	shared, err := shm.NewObject[progress]("", nil)
	if err != nil {
		return nil, err
	}
	t := shared.Ptr()
	ended := make(chan error, len(t.clients))
	for i := range t.clients {
		p, err := dictClient.Start(ctx, dictClientPart{d, shared, i}, &proc.Options{Daemon: true})
		if err != nil {
			return nil, err
		}
		defer func() {
			p.Kill()
			<-p.Done()
		}()
		go func() { ended <- p.Wait(ctx) }()
	}
	for !t.began() {
		if err := pass(time.Millisecond, ended); err != nil {
			return nil, err
		}
	}
	if err := pass(o.Timing.Warm, ended); err != nil {
		return nil, err
	}
	before, start := t.total(), time.Now()
	if err := pass(o.Timing.Run, ended); err != nil {
		return nil, err
	}
	return &outcome{ops: int64(t.total() - before), elapsed: time.Since(start)}, nil
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

// dictMadePair is a new Dict, which is closed at once.
var dictMadePair = &pair{name: "NewDict and Close", a: withManager(func(ctx context.Context, o *order, m *manager.Manager) (*outcome, error) {
	out, err := o.measure(func(n int) error {
		for range n {
			d, err := manager.NewDict[string, uint64](ctx, m)
			if err != nil {
				return err
			}
			if err := d.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if n, err := m.NumberOfObjects(ctx); n != 0 || err != nil {
		return nil, fmt.Errorf("%d dictionaries are left: %w", n, err)
	}
	return out, nil
})}
