package describe

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/shmkit/shmkit/internal/plain"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Description says what is in an object.
type Description struct {
	File    *File
	Kind    string
	Spec    shmfile.Spec  // the header's, zero without one
	Type    *plain.Layout // of the values in it, nil if that is not known
	Foreign bool          // it is of another pid namespace, so pids mean nothing here
	Root    *Node
	Parts   []Part // where in the file is what, for a dump
	Locks   []Lock
	Traffic *Traffic // of rings and calls
	Waiters int      // how many are known to sleep, or may

	set    *Set
	budget int
}

// mostNodes bounds how much is said about values, and how many locks are looked at.
const mostNodes = 20000

// Part is a piece of the file whose layout is known.
type Part struct {
	Name   string
	Offset int64
	Layout *plain.Layout
}

// Part says that a value lies there.
func (d *Description) Part(name string, off int64, l *plain.Layout) {
	if l != nil && l.Size > 0 && off >= 0 && off < d.File.Size() {
		d.Parts = append(d.Parts, Part{name, off, l})
	}
}

// Table says that n structs of type t lie there, in a row.
func (d *Description) Table(name string, off int64, t reflect.Type, n int) {
	l := plain.LayoutOf(t, true)
	if n == 1 {
		d.Part(name, off, l)
	} else if n > 1 {
		d.Part(name, off, &plain.Layout{Elem: l, Len: int64(n), Size: int64(n) * l.Size})
	}
}

// Lock is a lock, a presence or another thing that one process has at a time.
type Lock struct {
	Path string
	robust.Holder
}

// Traffic are the numbers of what goes through an object, since it was made.
type Traffic struct {
	Messages, Bytes uint64 // sent
	Received        uint64 // messages
	Queued          int    // messages that are sent and not received
	Used, Capacity  int    // of its room, in bytes or values
	Ends            int    // that take part
}

// Cell says who has a robust cell, and notes it as a lock unless it is nobody's.
func (d *Description) Cell(n *Node, path string, c *robust.Cell) robust.Holder {
	if !d.spend() { // each asks /proc
		n.Value = "not looked at: there are too many"
		return robust.Holder{}
	}
	h := c.Inspect(d.Foreign)
	n.Value, n.Bad = h.String(), h.State == robust.HolderDied || h.State == robust.HolderLost
	if h.State != robust.HolderNone {
		d.Locks = append(d.Locks, Lock{path, h})
	}
	if h.Waiters {
		n.Set("somebody may wait")
	}
	return h
}

// process says what a process does.
func (d *Description) process(n *Node, pid, start uint64) {
	if d.Foreign || pid == 0 {
		return
	}
	n.Set(robust.ProcessState(pid, start))
}

// spend says whether one more thing may be said.
func (d *Description) spend() bool {
	d.budget--
	return d.budget >= 0
}

// Bytes is a size as people read it.
func Bytes(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, i := float64(n)/1024, 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return fmt.Sprintf("%.3g %ciB", v, units[i])
}
