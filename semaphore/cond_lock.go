package semaphore

import "github.com/shmkit/shmkit/internal/robust"

// A CondLocker is the lock with which one waits on a Cond: a *Mutex, or a
// *Holder of a RecursiveMutex.
type CondLocker interface {
	held() bool
	lockCell() *robust.Cell

	// release unlocks completely; restore locks again, as deep.
	release() (levels int, err error)
	restore(levels int) error
}

var (
	_ CondLocker = (*Mutex)(nil)
	_ CondLocker = (*Holder)(nil)
)

func (m *Mutex) held() bool             { return m.cell.Mine() }
func (m *Mutex) lockCell() *robust.Cell { return &m.cell }

func (h *Holder) held() bool             { return h.depth > 0 && h.m.cell.Mine() }
func (h *Holder) lockCell() *robust.Cell { return &h.m.cell }
