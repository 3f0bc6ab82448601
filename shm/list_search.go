package shm

import (
	"bytes"
	"fmt"
	"iter"
	"strings"
)

// Items returns copies of all items: of one instant, if the list has a lock and
// is not attached read-only.
//
// Errors: those of At.
func (l *ShareableList) Items() ([]any, error) {
	var items []any
	err := l.each(func(_ int, v any) bool { items = append(items, v); return true })
	if err != nil {
		return nil, err
	}
	return items, nil
}

// All yields At of each item in turn. It goes on after an item that cannot be
// read.
func (l *ShareableList) All() iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for i := range l.Len() {
			if v, err := l.At(i); !yield(v, err) {
				return
			}
		}
	}
}

// Index returns the index of the first item that is equal to v: that has its type
// and value. Integers of all Go types are one type, and so are floats; unlike in
// Python, an integer is never equal to a float or boolean.
//
// Errors: ErrAbsent if there is none, ErrValue and ErrTooLong if no list can hold
// v, and those of At for the items that are looked at.
func (l *ShareableList) Index(v any) (int, error) {
	found := -1
	_, err := l.search(v, func(i int) bool { found = i; return false })
	if err == nil && found < 0 {
		err = fmt.Errorf("%s: %w", &l.attachment, ErrAbsent)
	}
	return found, err
}

// Count returns how many items are equal to v, as in Index.
//
// Errors: those of Index but ErrAbsent.
func (l *ShareableList) Count(v any) (int, error) {
	return l.search(v, func(int) bool { return true })
}

// search calls found for the items that are equal to v, and counts them.
func (l *ShareableList) search(v any, found func(i int) bool) (count int, err error) {
	p, err := pack(v)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", &l.attachment, err)
	}
	want, err := unpack(p.kind, p.code, p.bytes)
	if err != nil {
		return 0, err
	}
	err = l.each(func(i int, v any) bool {
		if !equal(v, want) {
			return true
		}
		count++
		return found(i)
	})
	return count, err
}

func equal(a, b any) bool {
	x, isBytes := a.([]byte)
	y, areBytes := b.([]byte)
	if isBytes || areBytes {
		return isBytes && areBytes && bytes.Equal(x, y)
	}
	return a == b
}

// each calls f with every item until f returns false.
func (l *ShareableList) each(f func(i int, v any) bool) error {
	return l.reading(func() error {
		for i := range l.Len() {
			v, err := l.load(i)
			if err != nil {
				return err
			}
			if !f(i, v) {
				break
			}
		}
		return nil
	})
}

// Format returns the formats of all items, in the language of Python's package
// struct, as ShareableList.format does.
//
// Errors: ErrCorrupt, and those of At.
func (l *ShareableList) Format() (string, error) {
	var s strings.Builder
	err := l.reading(func() error {
		for i := range l.Len() {
			format := l.format(i)
			if _, err := width(format, l.bytes[l.layout.codes()+i]); err != nil {
				return fmt.Errorf("%s: item %d: %w", &l.attachment, i, err)
			}
			s.WriteString(format)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return s.String(), nil
}

// String says what it is, its name, and what its items are at the moment. It does
// not wait for the lock, so an item may be shown in part.
func (l *ShareableList) String() string {
	if l.m == nil || !l.open.Load() {
		return l.attachment.String()
	}
	var s strings.Builder
	for i := range l.Len() {
		if i > 0 {
			s.WriteString(", ")
		}
		var v any
		err := l.looking(func() (err error) { v, err = l.load(i); return err })
		switch v := v.(type) {
		case string:
			fmt.Fprintf(&s, "%q", v)
		case []byte:
			fmt.Fprintf(&s, "b%q", v)
		default:
			if err != nil {
				v = "?"
			}
			fmt.Fprint(&s, v)
		}
	}
	if l.name == "" {
		return "anonymous list [" + s.String() + "]"
	}
	return fmt.Sprintf("list %q [%s]", l.name, s.String())
}
