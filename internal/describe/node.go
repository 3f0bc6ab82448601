package describe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Node is a piece of a description: a value with a name, or a group.
type Node struct {
	Name  string
	Value any    // nil, bool, string, a number, time.Duration or Hex
	Note  string // more about the value, for people
	Kids  []*Node
	List  bool // the kids are a list, in which names do not count
	Bad   bool // it says that something is wrong
}

// Hex is a number that people read in base 16.
type Hex uint64

// Add appends a value to the group and returns its node.
func (n *Node) Add(name string, value any) *Node {
	k := &Node{Name: name, Value: value}
	n.Kids = append(n.Kids, k)
	return k
}

// Group appends a group.
func (n *Node) Group(name string) *Node { return n.Add(name, nil) }

// Fail notes what is wrong, and where.
func (n *Node) Fail(err error) {
	n.Add("error", err.Error()).Bad = true
}

// Set says more about a value.
func (n *Node) Set(note string) *Node {
	n.Note = note
	return n
}

// Find returns the node at a path of names, nil if there is none.
func (n *Node) Find(path ...string) *Node {
	for _, name := range path {
		var next *Node
		for _, k := range n.Kids {
			if k.Name == name {
				next = k
				break
			}
		}
		if next == nil {
			return nil
		}
		n = next
	}
	return n
}

// Print writes the kids as lines, indented below each other.
func (n *Node) Print(w io.Writer) error { return n.print(w, "") }

func (n *Node) print(w io.Writer, indent string) error {
	width := 0
	for _, k := range n.Kids {
		if k.Value != nil {
			width = max(width, len(Plain(k.Name)))
		}
	}
	for _, k := range n.Kids {
		line := indent + Plain(k.Name)
		if k.Value != nil {
			line += strings.Repeat(" ", max(width-len(Plain(k.Name)), 0)+2) + Text(k.Value)
		}
		if k.Note != "" {
			line += "  " + Plain(k.Note)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
		if err := k.print(w, indent+"  "); err != nil {
			return err
		}
	}
	return nil
}

// Text is a value as people read it, on one line.
func Text(v any) string {
	switch v := v.(type) {
	case string:
		return Plain(v)
	case Hex:
		return fmt.Sprintf("%#x", uint64(v))
	case time.Duration:
		return v.String()
	}
	return Plain(fmt.Sprint(v))
}

// Plain returns s as it is if it can go to a terminal, and quoted otherwise: names
// come from anybody.
func Plain(s string) string {
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// MarshalJSON gives a value, or an object with the kids in their order, or a list.
func (n *Node) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := n.json(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (n *Node) json(b *bytes.Buffer) error {
	if len(n.Kids) == 0 && !n.List {
		return scalar(b, n.Value)
	}
	open, end := byte('{'), byte('}')
	if n.List {
		open, end = '[', ']'
	}
	b.WriteByte(open)
	first := true
	next := func(name string) error {
		if !first {
			b.WriteByte(',')
		}
		first = false
		if n.List {
			return nil
		}
		err := scalar(b, name)
		b.WriteByte(':')
		return err
	}
	if n.Value != nil && !n.List {
		if err := next("is"); err != nil {
			return err
		}
		if err := scalar(b, n.Value); err != nil {
			return err
		}
	}
	used := map[string]int{"is": 1}
	for _, k := range n.Kids {
		name := k.Name
		if used[name]++; used[name] > 1 {
			name += "#" + strconv.Itoa(used[name])
		}
		if err := next(name); err != nil {
			return err
		}
		if err := k.json(b); err != nil {
			return err
		}
	}
	b.WriteByte(end)
	return nil
}

func scalar(b *bytes.Buffer, v any) error {
	switch x := v.(type) {
	case Hex:
		v = fmt.Sprintf("%#x", uint64(x))
	case time.Duration:
		v = x.Seconds()
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) { // which JSON does not have
			v = fmt.Sprint(x)
		}
	case nil, bool, string, int, int64, uint64, uint32:
	default:
		v = fmt.Sprint(x)
	}
	s, err := json.Marshal(v)
	b.Write(s)
	return err
}
