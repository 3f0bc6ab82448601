package robust

// ident names the Go process that took a cell last, in one word: pid and
// keeper TID (22 bits each: PID_MAX_LIMIT is 4194304) and the low 20 bits of
// the process's start time. It stays when the cell is released. So it is a
// dead holder's only if that keeper is gone; while it lives, the dead one was a
// C program, or had not yet begun to act.
type ident uint64

const (
	idBits    = 22
	idMask    = 1<<idBits - 1
	startMask = 1<<20 - 1
)

func newIdent(pid, tid uint32, start uint64) ident {
	return ident(uint64(pid)&idMask | uint64(tid)&idMask<<idBits | start<<(2*idBits))
}

func (i ident) pid() uint32   { return uint32(i & idMask) }
func (i ident) tid() uint32   { return uint32(i >> idBits & idMask) }
func (i ident) start() uint64 { return uint64(i >> (2 * idBits)) }

// sameStart compares start times of which one may have come from an ident.
func sameStart(a, b uint64) bool { return a&startMask == b&startMask }
