package proc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/plain"
)

// How items lie in the messages of a queue. A T without pointers is its own bytes. Any
// other is a byte that says whether there is a parcel, then the waybill with its length
// in front if there is, then what the codec has made of the item.
const (
	itemAlone byte = iota
	itemWithParcel
)

// packing is how the items of a queue become messages.
type packing[T any] struct {
	raw     bool   // items are their own bytes
	codec   *Codec // of all others
	carries bool   // there may be shared objects among them
}

func newPacking[T any](c *Codec) packing[T] {
	t := reflect.TypeFor[T]()
	if c == nil && plain.Check(t) == nil {
		return packing[T]{raw: true}
	}
	if c == nil {
		c = ownCodec
	}
	return packing[T]{codec: c, carries: handle.Carries(t)}
}

// fingerprint is equal where bytes mean the same.
func (k *packing[T]) fingerprint() uint64 {
	if !k.raw {
		return 0 // that is found out with each item
	}
	return plain.Fingerprint(reflect.TypeFor[T]())
}

// pack appends the message of v, which is not raw, to b. p is the parcel that goes with
// it, nil if there is none; stays is for deposit. The error wraps ErrArgument.
func (k *packing[T]) pack(b []byte, v T, stays bool) (msg []byte, p *parcel, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrArgument, err)
		}
	}()
	var data []byte
	var hs []handle.Handle
	if k.carries {
		data, hs, err = handle.Encode(func() ([]byte, error) { return k.codec.marshal(v) })
	} else {
		data, err = k.codec.marshal(v)
	}
	switch {
	case err != nil:
		return b, nil, err
	case len(hs) == 0:
		return append(append(b, itemAlone), data...), nil, nil
	}
	p, w, err := deposit(hs, stays)
	if err != nil {
		return b, nil, err
	}
	bill, err := codec.Marshal(w)
	if err != nil {
		p.withdraw()
		return b, nil, err
	}
	b = binary.AppendUvarint(append(b, itemWithParcel), uint64(len(bill)))
	return append(append(b, bill...), data...), p, nil
}

// unpack decodes a message that is not raw. The receipt, nil if there is none, is
// that of its parcel. Errors: ErrItem, and ErrHandleGone with the item.
func (k *packing[T]) unpack(ctx context.Context, msg []byte) (v T, r *receipt, err error) {
	unmarshal := func(b []byte) error { return k.codec.unmarshal(b, &v) }
	switch {
	case len(msg) > 0 && msg[0] == itemAlone:
		if k.carries { // so that a reference is refused, and not another message's
			err = handle.Decode(msg[1:], nil, unmarshal)
		} else {
			err = unmarshal(msg[1:])
		}
	case len(msg) > 0 && msg[0] == itemWithParcel:
		var w waybill
		n, k := binary.Uvarint(msg[1:])
		rest := msg[1+max(k, 0):]
		if k <= 0 || n > uint64(len(rest)) {
			return v, nil, fmt.Errorf("%w: message of %d bytes", ErrItem, len(msg))
		}
		if err := codec.Unmarshal(rest[:n], &w); err != nil {
			return v, nil, fmt.Errorf("%w: %w", ErrItem, err)
		}
		if !w.possible() {
			return v, nil, fmt.Errorf("%w: %d descriptors at %q", ErrItem, w.Files, w.Door)
		}
		r, err = w.collect(ctx, rest[n:], unmarshal)
	default:
		return v, nil, fmt.Errorf("%w: message of %d bytes", ErrItem, len(msg))
	}
	switch {
	case err == nil:
		return v, r, nil
	case errors.Is(err, ErrHandleGone):
		return v, r, err
	}
	return *new(T), r, fmt.Errorf("%w: %w", ErrItem, err)
}

// unpackRaw is unpack of raw items, into *v.
func (k *packing[T]) unpackRaw(msg []byte, v *T) error {
	b := bytesOf(v)
	if len(msg) != len(b) {
		return fmt.Errorf("%w: %d bytes for %v", ErrItem, len(msg), reflect.TypeFor[T]())
	}
	if len(b) > 0 && &msg[0] != &b[0] { // it is there already, most of the time
		copy(b, msg)
	}
	return nil
}

// buffers are for messages under way.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keptBuffer is the largest that is kept for another message.
const keptBuffer = 64 << 10

func giveBuffer(p *[]byte, b []byte) {
	if cap(b) <= keptBuffer {
		*p = b[:0]
		buffers.Put(p)
	}
}
