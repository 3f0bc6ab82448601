//go:build linux && !explore

package robust

import (
	"fmt"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// Forget takes the cells in b out of this process's robust lists. It must be
// called before b is unmapped, because the kernel walks the lists when the
// process dies. Seats that are not in use are given back (Local). If the process
// holds one of the cells otherwise, Forget returns ErrBusy, and they are linked
// as before.
func Forget(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	from := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	to := from + uintptr(len(b))
	if err := leave(from, to); err != nil {
		return fmt.Errorf("forget memory that this process uses: %w", err)
	}
	if foreignBusy(from, to) {
		return fmt.Errorf("forget memory with a lock that this process holds: %w", ErrBusy)
	}
	if err := forgetNear(from, to); err != nil {
		return fmt.Errorf("forget memory with a lock that this process holds: %w", err)
	}
	return nil
}

// Unmap closes a mapping: its cells leave this process's robust lists, who sleeps
// on its words is woken and gets futex.ErrFault at the latest when it sleeps
// again, and zero memory takes its place. ErrBusy, and nothing has changed, if
// the process holds one of the cells.
func Unmap(m *mem.Mapping) error {
	m.Retire()
	b := m.Bytes()
	err := Forget(b)
	if err == nil && len(b) > 0 {
		from := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
		to := from + uintptr(len(b))
		futex.Evict(from, to, false)
		if err = m.Close(); err == nil {
			futex.Evict(from, to, true)
		}
	}
	if err != nil {
		m.Revive()
	}
	return err
}

func identWith(tid uint32) uint64 { return selfIdent.Load() | uint64(tid)<<22 }
