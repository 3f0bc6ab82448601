package describe

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/shmkit/shmkit/internal/plain"
)

const (
	mostElements = 8       // of an array that are shown
	piece        = 1 << 16 // what is read at once
	scanned      = 1 << 12 // elements beyond those in which locks are looked for
)

// TypeName is a type as a Go programmer would write it, on one line.
func TypeName(l *plain.Layout) string {
	switch {
	case l.Elem != nil:
		return "[" + strconv.FormatInt(l.Len, 10) + "]" + TypeName(l.Elem)
	case l.Fields != nil && l.Name == "":
		return "struct{" + strconv.Itoa(len(l.Fields)) + " fields}"
	}
	return l.Name
}

// Values says in n what a value at off is, whose layout l is.
func (d *Description) Values(n *Node, path string, off int64, l *plain.Layout) {
	if l.Size <= piece || l.Basic() {
		b, err := d.File.Read(off, min(l.Size, piece))
		if err != nil {
			n.Fail(err)
			return
		}
		d.value(n, path, l, b)
		return
	}
	d.inside(n, path, l, func(k *Node, path string, at int64, l *plain.Layout) { d.Values(k, path, off+at, l) })
}

// value says what lies in b.
func (d *Description) value(n *Node, path string, l *plain.Layout, b []byte) {
	switch {
	case l.Basic():
		d.basic(n, path, l, b)
	case l.Elem != nil && l.Elem.Name == "uint8" && l.Elem.Basic():
		n.Value = text(b)
	default:
		d.inside(n, path, l, func(k *Node, path string, at int64, l *plain.Layout) {
			d.value(k, path, l, b[at:at+l.Size])
		})
	}
}

// inside has show say what the fields or elements of l are.
func (d *Description) inside(n *Node, path string, l *plain.Layout, show func(k *Node, path string, at int64, l *plain.Layout)) {
	for _, f := range l.Fields {
		if f.Name == "_" {
			continue
		}
		if !d.spend() {
			n.Add("…", "more than is shown")
			return
		}
		show(n.Group(f.Name), join(path, f.Name), f.Offset, f.Layout)
	}
	if l.Elem == nil {
		return
	}
	n.List = true
	size, locks := l.Elem.Size, hasLocks(l.Elem)
	for i := range l.Len {
		if !d.spend() {
			break
		}
		name := "[" + strconv.FormatInt(i, 10) + "]"
		if i < mostElements {
			show(n.Group(name), path+name, i*size, l.Elem)
			continue
		}
		if !locks || i >= scanned || size == 0 {
			break
		}
		// Of those that are many, only the ones in which somebody holds something.
		before, k := len(d.Locks), &Node{Name: name}
		show(k, path+name, i*size, l.Elem)
		if len(d.Locks) > before {
			n.Kids = append(n.Kids, k)
		}
	}
	if left := l.Len - int64(len(n.Kids)); left > 0 {
		n.Add("…", strconv.FormatInt(left, 10)+" more")
	}
}

func join(path, name string) string {
	switch {
	case path == "":
		return name
	case name == "":
		return path
	}
	return path + "." + name
}

// hasLocks says whether there is something inside that has a describer.
func hasLocks(l *plain.Layout) bool {
	return anyLocks(l, map[*plain.Layout]bool{})
}

func anyLocks(l *plain.Layout, seen map[*plain.Layout]bool) bool {
	if seen[l] {
		return false
	}
	seen[l] = true
	if l.Elem != nil {
		return anyLocks(l.Elem, seen)
	}
	for _, f := range l.Fields {
		if anyLocks(f.Layout, seen) {
			return true
		}
	}
	return strings.HasPrefix(l.Name, "semaphore.")
}

// basic says what a value is that has no parts.
func (d *Description) basic(n *Node, path string, l *plain.Layout, b []byte) {
	if t, ok := d.set.types[l.Name]; ok && int64(t.Layout.Size()) == l.Size && int64(len(b)) == l.Size {
		d.Lockable(n, path, l.Name, b)
		return
	}
	if v := Basic(l.Name, b); v != nil {
		n.Value = v
		return
	}
	n.Value = hexOf(b)
	n.Set(l.Name)
}

// Lockable says what a value of one of package semaphore's types is, of which b is a copy.
func (d *Description) Lockable(n *Node, path, name string, b []byte) {
	t, ok := d.set.types[name]
	if !ok {
		return
	}
	own := aligned(int64(len(b))) // describers lay words over it
	copy(own, b)
	at := len(d.Locks)
	t.Describe(d, n, own)
	n.Set(note(strings.TrimPrefix(name, "semaphore."), n.Note))
	for i := at; i < len(d.Locks); i++ {
		d.Locks[i].Path = join(path, d.Locks[i].Path)
	}
}

// note puts two remarks together.
func note(a, b string) string {
	if b == "" {
		return a
	}
	return a + ", " + b
}

// Basic returns the value of a basic type that b holds, nil if the type is not known.
func Basic(name string, b []byte) any {
	name = strings.ToLower(strings.TrimPrefix(name, "atomic."))
	if name == "int" || name == "uint" {
		name += "64"
	}
	u := func(n int) uint64 {
		var w [8]byte
		copy(w[:], b[:n])
		return binary.LittleEndian.Uint64(w[:])
	}
	sizes := map[string]int{
		"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4,
		"int64": 8, "uint64": 8, "float32": 4, "float64": 8, "complex64": 8, "complex128": 16,
	}
	size, ok := sizes[name]
	if !ok || len(b) < size {
		return nil
	}
	switch name {
	case "bool":
		return u(1) != 0
	case "int8":
		return int64(int8(u(1)))
	case "int16":
		return int64(int16(u(2)))
	case "int32":
		return int64(int32(u(4)))
	case "int64":
		return int64(u(8))
	case "float32":
		return float64(math.Float32frombits(uint32(u(4))))
	case "float64":
		return math.Float64frombits(u(8))
	case "complex64":
		return fmt.Sprint(complex(math.Float32frombits(uint32(u(4))), math.Float32frombits(binary.LittleEndian.Uint32(b[4:]))))
	case "complex128":
		return fmt.Sprint(complex(math.Float64frombits(u(8)), math.Float64frombits(binary.LittleEndian.Uint64(b[8:]))))
	}
	return u(size)
}

const mostText = 64

// text shows bytes: as text if they are that, with what is behind it zero.
func text(b []byte) string {
	s := strings.TrimRight(string(b), "\x00")
	if s == "" {
		return fmt.Sprintf("%d zeros", len(b))
	}
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return hexOf(b)
		}
	}
	if len(s) > mostText {
		return strconv.Quote(strings.ToValidUTF8(s[:mostText], "")) + fmt.Sprintf("… %d bytes", len(b))
	}
	return strconv.Quote(s)
}

func hexOf(b []byte) string {
	if len(b) > mostText/2 {
		return fmt.Sprintf("%x… %d bytes", b[:mostText/2], len(b))
	}
	return fmt.Sprintf("%x", b)
}
