package semaphore

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/robust"
)

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

// release unlocks m. ErrNotHeld: this process does not hold it.
func (m *Mutex) release() (levels int, err error) {
	if !m.cell.Release() {
		return 0, fmt.Errorf("unlock: %w", ErrNotHeld)
	}
	return 1, nil
}

// restore locks m again after release. If the error is not nil, it is not held.
func (m *Mutex) restore(int) error { return m.Lock() }

// release unlocks h's lock completely. ErrNotHeld: h does not hold it.
func (h *Holder) release() (levels int, err error) {
	levels = h.Depth()
	if levels == 0 || !h.unlockAll() {
		return 0, fmt.Errorf("unlock: %w", ErrNotHeld)
	}
	return levels, nil
}

// restore locks h's lock again after release, as often as it was held. If the
// error is not nil, it is not held at all.
func (h *Holder) restore(levels int) error {
	if err := h.Lock(); err != nil {
		return err
	}
	h.setDepth(uint32(levels))
	return nil
}
