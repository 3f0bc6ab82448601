package semaphore

import "fmt"

// What a Cond does with the lock under which somebody waits: it unlocks it
// whatever its depth, and locks it again as deep.

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
