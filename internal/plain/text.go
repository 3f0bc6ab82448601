package plain

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// MaxText is the size of the longest description of a type, in bytes.
const MaxText = 1 << 14

// Text describes a type for programs that were not compiled with it. It is for
// show, and has nothing to do with Fingerprint: "" if t's description is longer than
// MaxText. It is made once for each type.
//
// The text has a line for each field, and one before them for each struct, innermost
// first; structs are named by their number, from 0. The last line is the type.
//
//	struct SIZE "NAME"
//	OFFSET TYPE "NAME"
//	= TYPE
//
// TYPE is the name of a basic type, [N]TYPE for an array, #K for a struct, or
// NAME:SIZE for what is not described here:
//
//	struct 56 "Account"
//	0 semaphore.Mutex:48 "mu"
//	48 int64 "balance"
//	= #0
func Text(t reflect.Type) string {
	if s, ok := texts.Load(t); ok {
		return s.(string)
	}
	s := LayoutOf(t, false).Text()
	texts.Store(t, s)
	return s
}

var texts sync.Map // of strings by reflect.Type

// Text is what Parse reads, "" if it is too long.
func (l *Layout) Text() string {
	w := writer{structs: map[*Layout]int{}}
	ref := w.ref(l)
	fmt.Fprintf(&w.b, "= %s\n", ref)
	if w.b.Len() > MaxText {
		return ""
	}
	return w.b.String()
}

type writer struct {
	b       strings.Builder
	structs map[*Layout]int
}

// ref writes what l needs and returns its TYPE. It gives up when there is too much.
func (w *writer) ref(l *Layout) string {
	switch {
	case w.b.Len() > MaxText:
		return ""
	case l.Elem != nil:
		return "[" + strconv.FormatInt(l.Len, 10) + "]" + w.ref(l.Elem)
	case l.Basic() && basics[l.Name] == l.Size && l.Size > 0:
		return l.Name
	case l.Basic():
		return l.Name + ":" + strconv.FormatInt(l.Size, 10)
	}
	k, ok := w.structs[l]
	if !ok {
		types := make([]string, len(l.Fields))
		for i, f := range l.Fields {
			types[i] = w.ref(f.Layout)
		}
		k = len(w.structs)
		w.structs[l] = k
		fmt.Fprintf(&w.b, "struct %d %q\n", l.Size, l.Name)
		for i, f := range l.Fields {
			fmt.Fprintf(&w.b, "%d %s %q\n", f.Offset, types[i], f.Name)
		}
	}
	return "#" + strconv.Itoa(k)
}

// ErrText is returned for a description that is none.
var ErrText = errors.New("not the description of a type")

// Parse reads a description, which may be anything.
func Parse(text string) (*Layout, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("%w: %d bytes", ErrText, len(text))
	}
	var r reader
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(line, "\n")
		if ref, ok := strings.CutPrefix(line, "= "); ok {
			if l := r.ref(ref); l != nil && r.done() {
				return l, nil
			}
		} else if r.line(line) {
			continue
		}
		return nil, fmt.Errorf("%w: line %d", ErrText, number)
	}
	return nil, fmt.Errorf("%w: it has no end", ErrText)
}

type reader struct{ structs []*Layout }

// done says whether the last struct, if there is one, is complete.
func (r *reader) done() bool {
	return len(r.structs) == 0 || len(r.structs[len(r.structs)-1].Fields) > 0
}

func (r *reader) line(line string) bool {
	first, rest, _ := strings.Cut(line, " ")
	second, quoted, _ := strings.Cut(rest, " ")
	name, err := strconv.Unquote(quoted)
	if err != nil {
		return false
	}
	if first == "struct" {
		size, ok := number(second)
		if !ok || !r.done() {
			return false
		}
		r.structs = append(r.structs, &Layout{Name: name, Size: size})
		return true
	}
	if len(r.structs) == 0 {
		return false
	}
	last := len(r.structs) - 1
	at, ok := number(first)
	f := Field{name, at, (&reader{r.structs[:last]}).ref(second)}
	if !ok || !r.structs[last].fits(f) {
		return false
	}
	r.structs[last].Fields = append(r.structs[last].Fields, f)
	return true
}

// ref returns the layout of a TYPE, nil if it is none.
func (r *reader) ref(s string) *Layout {
	var lens []int64
	for strings.HasPrefix(s, "[") {
		count, elem, ok := strings.Cut(s[1:], "]")
		n, isNumber := number(count)
		if !ok || !isNumber {
			return nil
		}
		lens, s = append(lens, n), elem
	}
	var l *Layout
	if k, ok := strings.CutPrefix(s, "#"); ok {
		if n, ok := number(k); ok && n < int64(len(r.structs)) {
			l = r.structs[n]
		}
	} else if name, size, ok := strings.Cut(s, ":"); ok {
		if n, ok := number(size); ok && name != "" {
			l = &Layout{Name: name, Size: n}
		}
	} else if n, ok := basics[s]; ok {
		l = &Layout{Name: s, Size: n}
	}
	for i := len(lens) - 1; i >= 0 && l != nil; i-- {
		l = array(lens[i], l)
	}
	return l
}

func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && n <= mostSize
}
