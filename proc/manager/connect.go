package manager

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// ConnectOptions of Connect. nil means the defaults.
type ConnectOptions struct {
	// AuthKey is the manager's, nil for that of this process's family.
	AuthKey []byte
}

// Connect connects with the manager that listens at an address (Options.Address), in
// whichever process of this machine. Both must have the same key, which neither shows the
// other. o may be nil.
//
// Errors: ErrAuth, the context's error, which bounds the whole call, and those of
// connecting, such as fs.ErrNotExist and syscall.ECONNREFUSED where nobody listens.
func Connect(ctx context.Context, address string, o *ConnectOptions) (*Manager, error) {
	key := proc.Current().AuthKey()
	if o != nil && o.AuthKey != nil {
		key = o.AuthKey
	}
	m, err := connectAt(ctx, address, key)
	if err != nil {
		return nil, fmt.Errorf("connect with manager at %q: %w", address, err)
	}
	return m, nil
}

func connectAt(ctx context.Context, address string, key []byte) (*Manager, error) {
	id, f, err := knock(ctx, address, key)
	if err != nil {
		return nil, err
	}
	e, err := ringbuf.OpenExchangeFile(f)
	if err != nil {
		return nil, err
	}
	c, err := connectRing(ctx, id, e)
	if err != nil {
		return nil, err
	}
	return &Manager{c: c}, nil
}
