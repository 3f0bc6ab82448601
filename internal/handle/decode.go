package handle

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

// receiving is the table of the Decode under way. Its table is nil between two.
var receiving struct {
	turn  sync.Mutex // held by Decode from start to end
	mu    sync.Mutex // guards the rest, which strangers' Gets look at too
	table []Handle
	gone  bool // somebody has asked for what is gone
	after []func(context.Context) error
}

// Decode runs unmarshal, which calls Get once for each reference it meets in
// data. It takes over the files of hs and closes them before it returns; each
// Get hands out a duplicate. Several handles may share a file.
//
// The public types arrive closed when Get returns ErrGone, and so all of a message
// is decoded. If there was such a handle in it, Decode returns ErrGone in the end.
//
// Then it runs what Afterwards was given, under ctx.
func Decode(ctx context.Context, data []byte, hs []Handle, unmarshal func([]byte) error) error {
	gone, after, err := decode(data, hs, unmarshal)
	for _, do := range after {
		switch e := do(ctx); {
		case errors.Is(e, ErrGone):
			gone = true
		case err == nil:
			err = e
		}
	}
	if err == nil && gone {
		return ErrGone
	}
	return err
}

func decode(data []byte, hs []Handle, unmarshal func([]byte) error) (gone bool, after []func(context.Context) error, err error) {
	receiving.turn.Lock()
	defer receiving.turn.Unlock()
	if hs == nil {
		hs = []Handle{}
	}
	setReceiving(hs)
	defer func() {
		gone, after = setReceiving(nil)
		for _, h := range hs {
			if h.File != nil {
				h.File.Close() // a shared one is closed already the second time
			}
		}
	}()
	return false, nil, unmarshal(data)
}

// setReceiving sets the table, and returns what was left with the one before.
func setReceiving(table []Handle) (gone bool, after []func(context.Context) error) {
	receiving.mu.Lock()
	defer receiving.mu.Unlock()
	gone, after = receiving.gone, receiving.after
	receiving.table, receiving.gone, receiving.after = table, false, nil
	return gone, after
}

// Afterwards is called by UnmarshalBinary where more is to be done than may be done while
// other messages of this process wait to be decoded. Decode runs do once its turn is over,
// before it returns, also if decoding has failed. If do returns ErrGone, what was received
// has arrived closed.
func Afterwards(do func(ctx context.Context) error) {
	receiving.mu.Lock()
	defer receiving.mu.Unlock()
	if receiving.table != nil {
		receiving.after = append(receiving.after, do)
	}
}

// Get is called by UnmarshalBinary. It returns the handle that ref, made by
// Put, stands for; its File belongs to the caller. Without a Decode it returns
// ErrNotTravelling, for a reference that leads nowhere ErrReference, and ErrGone for a
// handle whose file did not arrive.
func Get(ref []byte) (Handle, error) {
	receiving.mu.Lock()
	defer receiving.mu.Unlock()
	if receiving.table == nil {
		return Handle{}, ErrNotTravelling
	}
	i, n := binary.Uvarint(ref)
	if n <= 0 || n != len(ref) || i >= uint64(len(receiving.table)) {
		return Handle{}, ErrReference
	}
	h := receiving.table[i]
	if h.gone {
		receiving.gone = true
		return Handle{}, fmt.Errorf("%s: %w", h.Kind, ErrGone)
	}
	if h.File != nil {
		f, err := Dup(h.File)
		if err != nil {
			return Handle{}, fmt.Errorf("duplicate descriptor of %s: %w", h.Kind, err)
		}
		h.File = f
	}
	return h, nil
}
