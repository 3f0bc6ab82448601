package manager

import (
	"context"
	"fmt"
	"sync"

	"github.com/fxamacker/cbor/v2"

	"github.com/shmkit/shmkit/internal/codec"
)

// Initializer is a function with its argument that a server runs before it answers; see
// Options.Init.
type Initializer struct {
	name string
	arg  any
	run  func(context.Context) error
}

var initializers = struct {
	sync.Mutex
	decode map[string]func(arg []byte) (func(context.Context) error, error)
}{decode: make(map[string]func([]byte) (func(context.Context) error, error))}

// RegisterInit names a function that servers may begin with, and returns a function that
// makes an Initializer of an argument. Like proc.Register it belongs in the declaration
// of a package-level variable, and panics when the name is empty or taken, or there is
// no function. The argument travels as one of proc.Func.Start.
func RegisterInit[A any](name string, fn func(ctx context.Context, arg A) error) func(arg A) *Initializer {
	initializers.Lock()
	defer initializers.Unlock()
	if name == "" || fn == nil || initializers.decode[name] != nil {
		panic(fmt.Sprintf("manager: register initializer %q: no name, no function, or the name is taken", name))
	}
	initializers.decode[name] = func(data []byte) (func(context.Context) error, error) {
		var arg A
		if err := codec.Unmarshal(data, &arg); err != nil {
			return nil, err
		}
		return func(ctx context.Context) error { return fn(ctx, arg) }, nil
	}
	return func(arg A) *Initializer {
		return &Initializer{name, arg, func(ctx context.Context) error { return fn(ctx, arg) }}
	}
}

// wireInit is an Initializer on its way.
type wireInit struct {
	Name string
	Arg  cbor.RawMessage
}

// MarshalCBOR lets an Initializer travel to the server.
func (i *Initializer) MarshalCBOR() ([]byte, error) {
	arg, err := codec.Marshal(i.arg)
	if err != nil {
		return nil, err
	}
	return codec.Marshal(wireInit{i.name, arg})
}

// UnmarshalCBOR makes i the Initializer that has arrived.
func (i *Initializer) UnmarshalCBOR(data []byte) error {
	var w wireInit
	if err := codec.Unmarshal(data, &w); err != nil {
		return err
	}
	initializers.Lock()
	decode := initializers.decode[w.Name]
	initializers.Unlock()
	if decode == nil {
		return fmt.Errorf("%w: initializer %q", ErrProtocol, w.Name)
	}
	run, err := decode(w.Arg)
	i.name, i.run = w.Name, run
	return err
}
