package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/shmkit/shmkit/proc"
)

// inside is a server that runs in this process.
type inside struct {
	server *server
	c      *conn // this process's
	listen *listener
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
	gone   chan struct{} // closed when it begins to end
	once   sync.Once
	err    error
}

// New starts a manager in this process, which lives as long as it does, or until
// Shutdown. Its proxies here call it without shared memory. o may be nil; of its options
// those of the server process mean nothing. Errors: ErrOption, those of Options.Init
// and of listening at Options.Address, ringbuf.ErrNoSpace, errors.ErrUnsupported.
func New(ctx context.Context, o *Options) (*Manager, error) {
	opts, err := o.normal()
	var n *inside
	if err == nil {
		n, err = newHere(ctx, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("make manager: %w", err)
	}
	n.c.mu.Lock()
	n.c.users++
	n.c.mu.Unlock()
	m := &Manager{c: n.c, owner: &ownership{opts: opts, inside: n}}
	m.owner.atExit = proc.AtExit(0, func() { m.shutdown(context.Background()) })
	return m, nil
}

func newHere(ctx context.Context, o Options) (*inside, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e, err := o.newExchange()
	if err != nil {
		return nil, err
	}
	return newInside(charge{
		ID: newIdentity(), Exchange: e, Address: o.Address, Key: o.key(), Init: o.Init, MaxObjects: o.MaxObjects, Workers: o.Workers,
	}, o.ErrorLog)
}

// newInside makes a server of a's exchange, initialises it and begins to answer.
func newInside(a charge, log *slog.Logger) (_ *inside, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	n := &inside{cancel: cancel, done: make(chan struct{}), gone: make(chan struct{})}
	n.server = newServer(a.ID, a.Exchange, a.MaxObjects, log)
	n.c, err = connect(ctx, a.ID, a.Exchange, func() (link, error) {
		return newLocalLink(n.server, os.Getpid(), n.gone), nil
	})
	if err != nil {
		cancel()
		return nil, err
	}
	defer func() {
		if err != nil {
			cancel()
			n.c.leave()
		}
	}()
	if a.Init != nil {
		if err := a.Init.run(ctx); err != nil {
			return nil, fmt.Errorf("initialise: %w", err)
		}
	}
	if a.Address != "" {
		if n.listen, err = listenAt(a.Address); err != nil {
			return nil, err
		}
	}
	go func() {
		defer close(n.done)
		err := n.server.serve(ctx, a.Workers)
		if !errors.Is(err, context.Canceled) {
			n.err = err
		}
	}()
	if n.listen != nil {
		if err = n.admit(ctx, a); err != nil {
			n.listen.close()
			cancel()
			<-n.done
			return nil, err
		}
	}
	return n, nil
}

// admit lets those in who have come to the address, once the server answers: in an exchange
// that nobody has ever served they would wait for somebody for ever.
func (n *inside) admit(ctx context.Context, a charge) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-n.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	l, _, err := newRingLink(ctx, a.Exchange)
	if err != nil {
		return err
	}
	l.close()
	n.listen.open(a.Key, a.ID, a.Exchange.File())
	return nil
}

// stop ends the server, and returns an error if it had ended by itself.
func (n *inside) stop() error {
	n.once.Do(func() {
		close(n.gone)
		if n.listen != nil {
			n.listen.close()
		}
		n.cancel()
		<-n.done
		n.c.leave()
	})
	return n.err
}
