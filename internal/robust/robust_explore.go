//go:build explore

package robust

import (
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// Simulation says who exists while package explore runs simulated processes.
// Each has one keeper, whose TID is also the process's pid; the explorer does
// the kernel's part when one dies.
type Simulation interface {
	TID() uint32 // of the running process
	Gone(tid uint32) bool
	Local(*Anchor) Local // of the running process
	SetLocal(*Anchor, Local)
}

// LocalOf returns the running process's Local of a, nil if it has none.
func LocalOf[T any](a *Anchor) *T {
	t, _ := any(Explorer.Local(a)).(*T)
	return t
}

// SetLocal makes l the running process's Local of a.
func SetLocal[T any, P interface {
	*T
	Local
}](a *Anchor, l P) (*T, error) {
	Explorer.SetLocal(a, l)
	return l, nil
}

// Explorer is the simulation under way.
var Explorer Simulation

// Self returns the running process's identity.
func Self() (Process, error) { return Process{PID: Explorer.TID(), Start: 1}, nil }

// Forget has nothing to forget: simulated processes have no lists.
func Forget(b []byte) error { return nil }

// Unmap closes a mapping.
func Unmap(m *mem.Mapping) error { return m.Close() }

// OnKeeper runs f.
func OnKeeper(f func()) error {
	f()
	return nil
}

// node stands for what a process keeps to itself about a cell.
type node struct{}

func (c *Cell) shadow() node       { return node{} }
func (node) keeper() uint32        { return Explorer.TID() }
func (node) noteHeld()             {}
func (node) noteFree() (held bool) { return false }

// Spinner returns a new state of adaptive spinning.
func (c *Cell) Spinner() *futex.Spinner { return new(futex.Spinner) }

func (c *Cell) near() bool                                   { return true }
func (c *Cell) link() (uint32, error)                        { return Explorer.TID(), nil }
func (c *Cell) takeForeign(old, bits uint32) (uint32, error) { return 0, ErrNoKeeper }
func (c *Cell) releaseForeign(free func()) bool              { return false }

func identWith(tid uint32) uint64      { return uint64(newIdent(tid, tid, 1)) }
func ownTID(tid uint32) bool           { return tid == Explorer.TID() }
func threadGone(tid uint32) bool       { return Explorer.Gone(tid) }
func (i ident) gone() bool             { return true }
func (i ident) replaced() bool         { return Explorer.Gone(i.pid()) }
func processOf(tid uint32) (int, bool) { return int(tid), true }
