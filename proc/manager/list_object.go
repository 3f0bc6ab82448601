package manager

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"sync"
)

// Operations of a list. An index that is negative counts from the end; from and to are
// those of a slice, as in Python: they count so too, and may be beyond the ends.
const (
	listGet    op = iota + 1 // index; returns a value
	listSet                  // index, value
	listSwap                 // index, bytes, value; returns whether the element was those bytes
	listLen                  // returns a number
	listSome                 // from, to, changes or 0, bytes at most; returns the next place, the end, the changes, values
	listSplice               // from, to, values: those take the place of the slice
	listIndex                // from, to, bytes; returns a number
	listCount                // bytes; returns a number
	// What follows is not for lists of fixed length.
	listPop     // index; returns a value
	listDelete  // index
	listRemove  // bytes
	listReverse //
	listRepeat  // times
	listPermute // changes, as many places as there are elements: the old place of each
)

// Arrays and values are lists of fixed length.
var (
	listKind = kind("List", func(x *request, _ *node) (object, error) { return newList(x, false) })

	arrayKind = kind("Array", func(x *request, _ *node) (object, error) { return newList(x, true) })

	valueKind = kind("Value", func(x *request, _ *node) (object, error) { return newList(x, true) })
)

// maxElements is how many elements a list may have: nobody may double one until the server
// has no memory left. Tests lower it.
var maxElements = 1 << 26

type listObject struct {
	fixed bool

	mu      sync.Mutex
	items   []value
	changes uint64 // raised with everything that changes an element or its place
}

// newList makes a list of the values of a request.
func newList(x *request, fixed bool) (object, error) {
	items := x.values()
	if err := x.args(); err != nil {
		return nil, err
	}
	return &listObject{fixed: fixed, items: items}, x.keepAll(items)
}

func (l *listObject) left(*session) {}
func (l *listObject) died()         {}

func (l *listObject) serve(x *request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fixed && x.op >= listPop {
		return x.unknown()
	}
	switch x.op {
	case listGet, listPop, listDelete:
		return l.element(x)
	case listSet, listSwap:
		return l.set(x)
	case listLen:
		x.out.number(uint64(len(l.items)))
		return x.args()
	case listSome:
		return l.some(x)
	case listSplice:
		return l.splice(x)
	case listIndex, listCount, listRemove:
		return l.find(x)
	case listReverse:
		if err := x.args(); err != nil {
			return err
		}
		slices.Reverse(l.items)
		l.changes++
		return nil
	case listRepeat:
		return l.repeat(x)
	case listPermute:
		return l.permute(x)
	}
	return x.unknown()
}

// at returns the place of an index.
func (l *listObject) at(index int64) (int, error) {
	n := int64(len(l.items))
	i := index
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return 0, fmt.Errorf("%w: %d of %d elements", ErrIndex, index, n)
	}
	return int(i), nil
}

// bounds returns the places of a slice.
func (l *listObject) bounds(from, to int64) (int, int) {
	n := int64(len(l.items))
	clamp := func(i int64) int {
		if i < 0 {
			i += n
		}
		return int(max(0, min(i, n)))
	}
	return clamp(from), max(clamp(from), clamp(to))
}

// element reads or removes one.
func (l *listObject) element(x *request) error {
	index := x.integer()
	if err := x.args(); err != nil {
		return err
	}
	i, err := l.at(index)
	if err != nil {
		return err
	}
	switch x.op {
	case listGet:
		x.give(l.items[i])
		return nil
	case listPop:
		if err := x.giveAway(l.items[i]); err != nil {
			return err
		}
	}
	l.remove(x, i)
	return nil
}

func (l *listObject) remove(x *request, i int) {
	l.changes++
	x.discard(l.items[i])
	if i == 0 { // as of a queue
		l.items[0] = value{}
		l.items = l.items[1:]
		return
	}
	l.items = slices.Delete(l.items, i, i+1)
}

func (l *listObject) set(x *request) error {
	index := x.integer()
	var old []byte
	if x.op == listSwap {
		old = x.bytes()
	}
	v := x.value()
	if err := x.args(); err != nil {
		return err
	}
	i, err := l.at(index)
	if err != nil {
		return err
	}
	if x.op == listSwap {
		same := l.items[i].is(old)
		x.out.flag(same)
		if !same {
			return nil
		}
	}
	if v, err = x.keep(v); err != nil {
		return err
	}
	l.changes++
	x.discard(l.items[i])
	l.items[i] = v
	return nil
}

// is says whether v is the value of those bytes. One that leads to objects is none.
func (v value) is(data []byte) bool { return len(v.refs) == 0 && bytes.Equal(v.data, data) }

// some writes as many elements of a slice as go into so many bytes, one at least.
func (l *listObject) some(x *request) error {
	from, to, changes, most := x.integer(), x.integer(), x.number(), x.number()
	if err := x.args(); err != nil {
		return err
	}
	if changes != 0 && changes != l.changes+1 {
		return ErrChanged
	}
	a, b := l.bounds(from, to)
	next, size := a, uint64(0)
	for ; next < b; next++ {
		if size += l.items[next].size(); size > most && next > a {
			break
		}
	}
	x.out.number(uint64(next))
	x.out.number(uint64(b))
	x.out.number(l.changes + 1)
	x.out.number(uint64(next - a))
	for _, v := range l.items[a:next] {
		x.give(v)
	}
	return nil
}

// size is about how much of a reply the value takes.
func (v value) size() uint64 { return uint64(2 + len(v.data) + 24*len(v.refs)) }

func (l *listObject) splice(x *request) error {
	from, to, vs := x.integer(), x.integer(), x.values()
	if err := x.args(); err != nil {
		return err
	}
	a, b := l.bounds(from, to)
	switch n := len(l.items) - (b - a) + len(vs); {
	case l.fixed && n != len(l.items):
		return fmt.Errorf("%w: %d elements for the %d of [%d, %d)", ErrIndex, len(vs), b-a, a, b)
	case n > maxElements:
		return fmt.Errorf("%w: %d of %d", ErrTooLong, n, maxElements)
	}
	if err := x.keepAll(vs); err != nil {
		return err
	}
	for _, v := range l.items[a:b] {
		x.discard(v)
	}
	l.items = slices.Replace(l.items, a, b, vs...)
	l.changes++
	return nil
}

// find looks for a value, from the front.
func (l *listObject) find(x *request) error {
	from, to := int64(0), int64(math.MaxInt64)
	if x.op == listIndex {
		from, to = x.integer(), x.integer()
	}
	data := x.bytes()
	if err := x.args(); err != nil {
		return err
	}
	a, b := l.bounds(from, to)
	n := 0
	for i := a; i < b; i++ {
		if !l.items[i].is(data) {
			continue
		}
		switch x.op {
		case listIndex:
			x.out.number(uint64(i))
			return nil
		case listRemove:
			l.remove(x, i)
			return nil
		}
		n++
	}
	if x.op != listCount {
		return fmt.Errorf("%w: no such element", ErrKey)
	}
	x.out.number(uint64(n))
	return nil
}

// repeat has the list so many times its elements. Values are never changed in place: the
// copies share their bytes.
func (l *listObject) repeat(x *request) error {
	times := x.integer()
	if err := x.args(); err != nil {
		return err
	}
	if times <= 0 || len(l.items) == 0 {
		for _, v := range l.items {
			x.discard(v)
		}
		l.items = nil
		l.changes++
		return nil
	}
	var ids []uint64
	for _, v := range l.items {
		ids = append(ids, v.refs...)
	}
	if n := max(len(l.items), len(ids)); times > int64(maxElements/n) {
		return fmt.Errorf("%w: %d times %d of %d", ErrTooLong, times, n, maxElements)
	}
	if err := x.server.graph.take(&x.node.owner, slices.Repeat(ids, int(times-1))); err != nil {
		return err
	}
	l.items = slices.Repeat(l.items, int(times))
	l.changes++
	return nil
}

// permute puts the elements into another order, if nothing has changed since it was made.
func (l *listObject) permute(x *request) error {
	changes, n := x.number(), x.count()
	if changes != l.changes+1 {
		return ErrChanged
	}
	items, seen := make([]value, 0, len(l.items)), make([]bool, len(l.items))
	for range n {
		i := x.number()
		if i >= uint64(len(seen)) || seen[i] {
			x.spoil()
			break
		}
		seen[i] = true
		items = append(items, l.items[i])
	}
	if n != len(l.items) {
		x.spoil()
	}
	if err := x.args(); err != nil {
		return err
	}
	l.items = items
	l.changes++
	return nil
}
