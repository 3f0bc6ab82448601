package handle

import (
	"encoding/binary"
	"fmt"
	"sync"
)

// receiving is the table of the Decode under way. Its table is nil between two.
var receiving struct {
	turn  sync.Mutex // held by Decode from start to end
	mu    sync.Mutex // guards table, which strangers' Gets look at too
	table []Handle
}

// Decode runs unmarshal, which calls Get once for each reference it meets in
// data. It takes over the files of hs and closes them before it returns; each
// Get hands out a duplicate. Several handles may share a file.
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
	return unmarshal(data)
}

func setReceiving(table []Handle) {
	receiving.mu.Lock()
	receiving.table = table
	receiving.mu.Unlock()
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
