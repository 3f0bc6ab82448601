package proc

import (
	"sync"

	"github.com/shmkit/shmkit/ringbuf"
)

// wire is the ring of one direction in the process that made the pipe, where both
// ends share it. A process that received an end has a ring that goes with it.
type wire struct {
	mu   sync.Mutex
	ring *ringbuf.Ring
	ends int // how many ends still use it
}

// leave is called once by each end.
func (w *wire) leave() {
	w.mu.Lock()
	w.ends--
	w.mu.Unlock()
	w.settle()
}

// settle closes the ring if no end uses it. One whose role is on its way to
// another process cannot be closed yet; whoever learns what became of the role
// settles again.
func (w *wire) settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ends == 0 {
		w.ring.Close()
	}
}
