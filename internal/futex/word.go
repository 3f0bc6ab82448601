package futex

import "github.com/shmkit/shmkit/internal/mem"

// Word is one word to sleep on, and the value that it must hold for the
// sleep to go on.
type Word struct {
	Addr *mem.Uint32
	Val  uint32
}

func (w Word) changed() bool { return w.Addr.Load() != w.Val }

// MaxWords is how many words one SleepAny may name.
const MaxWords = 127
