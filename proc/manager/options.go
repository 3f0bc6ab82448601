package manager

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/shmkit/shmkit/ringbuf"
)

// Options of Start and New. nil and zero fields mean the defaults.
type Options struct {
	// Name is the server process's, for people.
	Name string

	// Address is where other processes can Connect: the path of a Unix socket, or a name
	// that begins with @ (an abstract one, which leaves nothing behind). "" for nowhere;
	// children that get a proxy or the Manager need none.
	Address string
	// AuthKey is what who connects must have: nil for the one of this process's family
	// (proc.Process.AuthKey).
	AuthKey []byte

	// Init runs in the server once before it answers (RegisterInit). Start returns its
	// error.
	Init *Initializer

	// MaxMessage is the largest request and reply in bytes, default 64 MiB: address space,
	// not memory. A value of an object must fit into one.
	MaxMessage int
	// MaxObjects is how many objects may live, default a million.
	MaxObjects int
	// Clients is how many processes may use the manager at a time, default 256, at most
	// 2048. Half as many more clients serve those of which many goroutines wait at
	// once: each 16.
	Clients int
	// Workers is how many requests the server serves at a time, default GOMAXPROCS, at
	// most 16. Calls that wait do not count, nor do methods of registered types.
	Workers int

	// ShutdownTimeout is how long Shutdown waits for an orderly end, and then for SIGTERM
	// to do, before it kills. Default is a second.
	ShutdownTimeout time.Duration

	// Stdout, Stderr, Env and Dir are the server process's, as in proc.Options.
	Stdout, Stderr *os.File
	Env            []string
	Dir            string

	// ErrorLog gets panics of operations, with their stacks, in the server of New. nil, and
	// for a server process, it is slog.Default.
	ErrorLog *slog.Logger
}

const (
	defaultMessage = 64 << 20
	defaultObjects = 1 << 20
	defaultClients = 256
	maxClients     = 2048
)

func (o *Options) normal() (Options, error) {
	n := Options{}
	if o != nil {
		n = *o
	}
	if n.MaxMessage < 0 || n.MaxObjects < 0 || n.Clients < 0 || n.Clients > maxClients || n.Workers < 0 ||
		n.Workers > 16 || n.ShutdownTimeout < 0 {
		return n, fmt.Errorf("%w: messages of %d bytes, %d objects, %d clients, %d workers, %v", ErrOption,
			n.MaxMessage, n.MaxObjects, n.Clients, n.Workers, n.ShutdownTimeout)
	}
	n.MaxMessage = cmp.Or(n.MaxMessage, defaultMessage)
	n.MaxObjects = cmp.Or(n.MaxObjects, defaultObjects)
	n.Clients = cmp.Or(n.Clients, defaultClients)
	n.ShutdownTimeout = cmp.Or(n.ShutdownTimeout, time.Second)
	return n, nil
}

func (o *Options) newExchange() (*ringbuf.Exchange, error) {
	return ringbuf.NewExchange("", &ringbuf.ExchangeOptions{
		MaxMessage: max(o.MaxMessage, 1<<16), Clients: o.Clients + max(o.Clients/2, 32),
	})
}
