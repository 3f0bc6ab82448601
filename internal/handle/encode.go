package handle

import (
	"encoding/binary"
	"slices"
	"sync"
)

// sending is the table of the Encode under way. Its table is nil between two.
var sending struct {
	turn  sync.Mutex // held by Encode from start to end
	mu    sync.Mutex // guards table, which strangers' Puts look at too
	table *[]Handle
}

// Encode runs marshal, which calls Put once for each shared object it meets,
// and returns its bytes together with the handles they refer to. When marshal
// fails, all handles put so far have Failed and none is returned.
func Encode(marshal func() ([]byte, error)) (data []byte, hs []Handle, err error) {
	sending.turn.Lock()
	defer sending.turn.Unlock()

	var table []Handle
	setSending(&table)
	done := false
	defer func() {
		setSending(nil)
		if !done { // also when marshal panics
			for _, h := range table {
				h.Failed()
			}
		}
	}()

	data, err = marshal()
	if err != nil {
		return nil, nil, err
	}
	done = true
	return data, table, nil
}

func setSending(table *[]Handle) {
	sending.mu.Lock()
	sending.table = table
	sending.mu.Unlock()
}

// Put is called by MarshalBinary. It adds h to the Encode under way and
// returns the reference that goes into the message. The same object put again
// gets the same reference, and the hooks of the later Put are not called.
// Without an Encode it returns ErrNotTravelling.
func Put(h Handle, o Options) ([]byte, error) {
	sending.mu.Lock()
	defer sending.mu.Unlock()
	if sending.table == nil {
		return nil, ErrNotTravelling
	}
	i := slices.IndexFunc(*sending.table, h.same)
	if i < 0 {
		i = len(*sending.table)
		h.hooks = o
		*sending.table = append(*sending.table, h)
	}
	return binary.AppendUvarint(nil, uint64(i)), nil
}

// Again returns the reference of a handle that was put before in the Encode
// under way, and whether there is one.
func Again(h Handle) (ref []byte, ok bool) {
	sending.mu.Lock()
	defer sending.mu.Unlock()
	if sending.table == nil {
		return nil, false
	}
	i := slices.IndexFunc(*sending.table, h.same)
	return binary.AppendUvarint(nil, uint64(i)), i >= 0
}
