package handle

import (
	"encoding/binary"
	"fmt"
	"sync"
)

// receiving is the table of the Decode under way. Its table is nil between two.
var receiving struct {
	turn  sync.Mutex // held by Decode from start to end
	mu    sync.Mutex // guards the rest, which strangers' Gets look at too
	table []Handle
	gone  bool // somebody has asked for what is gone
}

// Decode runs unmarshal, which calls Get once for each reference it meets in
// data. It takes over the files of hs and closes them before it returns; each
// Get hands out a duplicate. Several handles may share a file.
//
// The public types arrive closed when Get returns ErrGone, and so all of a message
// is decoded. If there was such a handle in it, Decode returns ErrGone in the end.
func Decode(data []byte, hs []Handle, unmarshal func([]byte) error) error {
	receiving.turn.Lock()
	defer receiving.turn.Unlock()
	if hs == nil {
		hs = []Handle{}
	}
	setReceiving(hs)
	defer func() {
		setReceiving(nil)
		for _, h := range hs {
			if h.File != nil {
				h.File.Close() // a shared one is closed already the second time
			}
		}
	}()
	if err := unmarshal(data); err != nil {
		return err
	}
	if someGone() {
		return ErrGone
	}
	return nil
}

func setReceiving(table []Handle) {
	receiving.mu.Lock()
	receiving.table, receiving.gone = table, false
	receiving.mu.Unlock()
}

func someGone() bool {
	receiving.mu.Lock()
	defer receiving.mu.Unlock()
	return receiving.gone
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
