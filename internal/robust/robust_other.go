//go:build !linux && !explore

package robust

import (
	"errors"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// Self is not available on this system.
func Self() (Process, error) { return Process{}, errors.ErrUnsupported }

// Forget has nothing to forget on this system.
func Forget(b []byte) error { return nil }

// Unmap closes a mapping.
func Unmap(m *mem.Mapping) error { return m.Close() }

// OnKeeper is not available on this system.
func OnKeeper(f func()) error { return errors.ErrUnsupported }

// node is nothing on this system: it has no keepers.
type node struct{}

func (c *Cell) shadow() node       { return node{} }
func (node) keeper() uint32        { return 0 }
func (node) noteHeld()             {}
func (node) noteFree() (held bool) { return false }

// Spinner returns a new state of adaptive spinning.
func (c *Cell) Spinner() *futex.Spinner { return new(futex.Spinner) }

func (c *Cell) near() bool                                   { return false }
func (c *Cell) link() (uint32, error)                        { return 0, errors.ErrUnsupported }
func (c *Cell) takeForeign(old, bits uint32) (uint32, error) { return 0, errors.ErrUnsupported }
func (c *Cell) releaseForeign(free func()) bool              { return false }

func identWith(tid uint32) uint64      { return 0 }
func ownTID(tid uint32) bool           { return false }
func threadGone(tid uint32) bool       { return false }
func (i ident) gone() bool             { return true }
func (i ident) replaced() bool         { return false }
func processOf(tid uint32) (int, bool) { return 0, false }
