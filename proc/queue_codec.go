package proc

import (
	"fmt"
	"sync"

	"github.com/shmkit/shmkit/internal/codec"
)

// A Codec turns the items of a queue into bytes and back, in place of the one that
// this package uses by itself. It has a name because functions do not travel: a
// process that is given the queue finds the codec by it.
type Codec struct {
	name      string
	marshal   func(v any) ([]byte, error)
	unmarshal func(data []byte, ptr any) error
}

// RegisterCodec names a codec: a pair of functions such as json.Marshal and
// json.Unmarshal. Both may be called from many goroutines, and unmarshal must not keep
// data. It panics when the name is empty or taken.
//
// It must have happened in a child when Main is called, and so, as with Register,
// assign the result to a package-level variable.
//
// Shared objects travel in the items if the codec marshals them as
// encoding.BinaryMarshaler, in the goroutine that called it. (encoding/gob does,
// encoding/json does not.)
func RegisterCodec(name string, marshal func(v any) ([]byte, error), unmarshal func(data []byte, ptr any) error) *Codec {
	codecs.Lock()
	defer codecs.Unlock()
	if name == "" {
		panic("proc: register a codec without a name")
	}
	if codecs.named[name] != nil {
		panic(fmt.Sprintf("proc: register codec %q: the name is taken", name))
	}
	c := &Codec{name, marshal, unmarshal}
	codecs.named[name] = c
	return c
}

// codecs holds what RegisterCodec put there, the same in parent and child.
var codecs = struct {
	sync.Mutex
	named map[string]*Codec
}{named: make(map[string]*Codec)}

// ownCodec is the codec of queues that do not name one.
var ownCodec = &Codec{"", codec.Marshal, codec.Unmarshal}

func codecNamed(name string) (*Codec, error) {
	if name == "" {
		return ownCodec, nil
	}
	codecs.Lock()
	defer codecs.Unlock()
	if c := codecs.named[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("codec %q is not registered here", name)
}

// Name returns the name given to RegisterCodec.
func (c *Codec) Name() string { return c.name }
