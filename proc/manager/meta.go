package manager

import (
	"encoding/binary"
	"errors"

	"github.com/shmkit/shmkit/internal/handle"
)

// The part of a handle that says which object it is: the manager's identity, then the
// object's number.
func putMeta(id identity, object uint64) []byte {
	return binary.LittleEndian.AppendUint64(append([]byte(nil), id[:]...), object)
}

func parseMeta(b []byte) (id identity, object uint64, ok bool) {
	if len(b) != len(id)+8 {
		return id, 0, false
	}
	copy(id[:], b)
	return id, binary.LittleEndian.Uint64(b[len(id):]), true
}

func isGone(err error) bool { return errors.Is(err, handle.ErrGone) }
