package proc

import (
	"context"
	"fmt"
	"sync"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
)

// A target makes the child's call out of what arrived: it decodes the
// argument now and calls the function later.
type target func(arg []byte, hs []handle.Handle) (call, error)

type call func(context.Context) error

// registry holds what Register put there, the same in parent and child.
var registry = struct {
	sync.Mutex
	targets map[string]target
}{targets: make(map[string]target)}

func register(name string, t target) {
	registry.Lock()
	defer registry.Unlock()
	if name == "" {
		panic("proc: register a function without a name")
	}
	if registry.targets[name] != nil {
		panic(fmt.Sprintf("proc: register %q: the name is taken", name))
	}
	registry.targets[name] = t
}

func lookup(name string) target {
	registry.Lock()
	defer registry.Unlock()
	return registry.targets[name]
}

// decoded returns the target that decodes an A and passes it to fn.
func decoded[A any](fn func(context.Context, A) error) target {
	return func(data []byte, hs []handle.Handle) (call, error) {
		var arg A
		err := handle.Decode(context.Background(), data, hs, func(b []byte) error { return codec.Unmarshal(b, &arg) })
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) error { return fn(ctx, arg) }, nil
	}
}
