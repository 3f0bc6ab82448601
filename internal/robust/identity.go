package robust

// Ident names the Go process that holds a cell, in one word: pid and keeper
// TID (22 bits each: PID_MAX_LIMIT is 4194304) and the low 20 bits of the
// process's start time. 0 means a C holder, or one who has just taken the cell
// or is just leaving it.
type ident uint64

func newIdent(pid, tid uint32, start uint64) ident {
	return ident(uint64(pid)&0x3fffff | uint64(tid)&0x3fffff<<22 | start<<44)
}

func (i ident) pid() uint32   { return uint32(i & 0x3fffff) }
func (i ident) tid() uint32   { return uint32(i >> 22 & 0x3fffff) }
func (i ident) start() uint64 { return uint64(i >> 44) }

// startMask are the bits of a start time that an ident carries.
const startMask = 1<<20 - 1

// sameStart compares start times of which one may have come from an ident.
func sameStart(a, b uint64) bool { return a&startMask == b&startMask }
