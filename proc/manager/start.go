package manager

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// charge is the argument of a server process.
type charge struct {
	ID         identity
	Exchange   *ringbuf.Exchange
	Address    string
	Key        []byte
	Init       *Initializer
	MaxObjects int
	Workers    int
}

var serverProcess = proc.Register("shmkit.manager", runServer)

// Start starts a manager in a process of its own, and returns when that is ready. o may be
// nil.
//
// The manager ends with Shutdown or Close, and when this process ends by proc.Exit. If
// this process ends otherwise, also by SIGKILL, it ends as soon as no other process uses
// it. It does not end by SIGINT, so Ctrl-C on a terminal leaves it to those who use it;
// SIGTERM ends it in order.
//
// Errors: ErrOption, those of proc.Func.Start, a *proc.ExitError when the server ends
// at once, whose cause is the error of Options.Init or of listening at Options.Address, or
// the context's error, which bounds the start only.
func Start(ctx context.Context, o *Options) (*Manager, error) {
	opts, err := o.normal()
	if err != nil {
		return nil, fmt.Errorf("start manager: %w", err)
	}
	m, err := start(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("start manager: %w", err)
	}
	return m, nil
}

func start(ctx context.Context, o Options) (*Manager, error) {
	e, err := o.newExchange()
	if err != nil {
		return nil, err
	}
	id := newIdentity()
	p, err := serverProcess.Start(ctx, charge{
		ID: id, Exchange: e, Address: o.Address, Key: o.key(), Init: o.Init, MaxObjects: o.MaxObjects, Workers: o.Workers,
	}, &proc.Options{Name: o.Name, Stdout: o.Stdout, Stderr: o.Stderr, Env: o.Env, Dir: o.Dir})
	if err != nil {
		e.Close()
		return nil, err
	}
	ready, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.Done():
			cancel()
		case <-ready.Done():
		}
	}()
	c, err := connectRing(ready, id, e)
	if err != nil {
		if !p.Alive() {
			if ended := p.Wait(context.Background()); ended != nil {
				err = ended
			}
		}
		p.Kill()
		return nil, err
	}
	m := &Manager{c: c, owner: &ownership{opts: o, process: p}}
	m.owner.atExit = proc.AtExit(0, func() { m.shutdown(context.Background()) })
	return m, nil
}

func (o *Options) key() []byte {
	if o.AuthKey != nil {
		return o.AuthKey
	}
	return proc.Current().AuthKey()
}

// runServer is the server process.
func runServer(ctx context.Context, a charge) error {
	signal.Ignore(syscall.SIGINT)
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	n, err := newInside(a, nil)
	if err != nil {
		return err
	}
	orphaned := make(chan struct{}, 1)
	n.server.mu.Lock()
	n.server.idle = func() { notify(orphaned) }
	n.server.mu.Unlock()
	go func() {
		<-proc.Parent().Done()
		notify(orphaned)
	}()
	for {
		select {
		case <-n.server.asked:
		case <-terminated:
		case <-n.done: // the exchange is broken
		case <-orphaned:
			if proc.Parent().Alive() || !n.server.unused() {
				continue
			}
		}
		return n.stop()
	}
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// unused says whether no client process has a session.
func (v *server) unused() bool {
	for _, s := range v.sessions() {
		if s.id != localID {
			return false
		}
	}
	return true
}

// Shutdown ends the manager: it asks the server to end, waits, sends SIGTERM, waits, and
// kills it; Options.ShutdownTimeout says for how long it waits. Calls to its objects, also
// those under way, return ErrManagerGone. It returns how the server has ended, as
// Process.Wait does; later calls return the same. ctx ends the waiting early, by killing.
// ErrNotOwner: this process has not started it.
func (m *Manager) Shutdown(ctx context.Context) error {
	if m.owner == nil {
		return fmt.Errorf("shut down: %w", ErrNotOwner)
	}
	m.shutdown(ctx)
	m.owner.atExit() // not again
	return m.owner.err
}

func (m *Manager) shutdown(ctx context.Context) {
	m.owner.end.Do(func() {
		if m.owner.process == nil {
			m.owner.err = m.owner.inside.stop()
		} else {
			m.owner.err = m.endProcess(ctx)
		}
		m.leave()
	})
}

func (m *Manager) endProcess(ctx context.Context) error {
	p := m.owner.process
	for _, ask := range []func(context.Context){
		func(ctx context.Context) {
			if c, err := m.use(); err == nil {
				t := c.begin(0, opStop)
				defer t.end()
				_, _ = t.call(ctx, false) // how it ends is asked below
			}
		},
		func(context.Context) { p.Terminate() },
	} {
		patience, cancel := context.WithTimeout(ctx, m.owner.opts.ShutdownTimeout)
		ask(patience)
		err := p.Wait(patience)
		over := patience.Err() == nil || !errors.Is(err, patience.Err())
		cancel()
		if over {
			return err
		}
	}
	p.Kill()
	return p.Wait(context.Background())
}
