package manager

import (
	"bytes"
	"fmt"
	"sync"
)

// Operations of a dictionary.
const (
	dictGet      op = iota + 1 // key; returns a value
	dictSet                    // key, value; returns true
	dictAdd                    // key, value; returns whether there was none
	dictPop                    // key; returns a value
	dictDelete                 // key
	dictContains               // key; returns a flag
	dictSwap                   // key, bytes, value; returns whether the value was those bytes
	dictSetAll                 // count, then keys and values
	dictLen                    // returns a number
	dictClear                  //
	dictPopItem                // returns a key and a value
	dictSome                   // place, version; returns the next place, the version, count, keys and values
)

var dictKind = kind("Dict", func(*request, *node) (object, error) {
	return &dictObject{places: make(map[string]int)}, nil
})

// dictObject has its items in the order in which their keys came, with holes where keys
// have gone; it closes those when they are half of all.
type dictObject struct {
	mu      sync.Mutex
	places  map[string]int // of each key, in items
	items   []dictItem
	version uint64 // raised with each key that comes or goes
}

type dictItem struct {
	key   string
	value value
	there bool
}

func (d *dictObject) left(*session) {}
func (d *dictObject) died()         {}

func (d *dictObject) serve(x *request) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch x.op {
	case dictGet, dictPop, dictDelete, dictContains:
		k := x.bytes()
		if err := x.args(); err != nil {
			return err
		}
		return d.lookUp(x, k)
	case dictSet, dictAdd, dictSwap:
		return d.put(x)
	case dictSetAll:
		return d.setAll(x)
	case dictLen:
		x.out.number(uint64(len(d.places)))
		return x.args()
	case dictClear:
		for _, i := range d.items {
			x.discard(i.value)
		}
		d.items = nil
		clear(d.places)
		d.version++
		return x.args()
	case dictPopItem:
		for n := len(d.items) - 1; n >= 0; n-- {
			if i := d.items[n]; i.there {
				x.out.bytes([]byte(i.key))
				x.give(i.value)
				d.remove(x, n)
				return x.args()
			}
		}
		return ErrKey
	case dictSome:
		return d.some(x)
	}
	return x.unknown()
}

// lookUp does what begins with a key that must be there.
func (d *dictObject) lookUp(x *request, k []byte) error {
	n, there := d.places[string(k)]
	if x.op == dictContains {
		x.out.flag(there)
		return nil
	}
	if !there {
		return ErrKey
	}
	if x.op != dictDelete {
		x.give(d.items[n].value)
	}
	if x.op != dictGet {
		d.remove(x, n)
	}
	return nil
}

func (d *dictObject) remove(x *request, n int) {
	x.discard(d.items[n].value)
	delete(d.places, d.items[n].key)
	d.items[n] = dictItem{}
	d.version++
	if len(d.items) > 32 && len(d.places) < len(d.items)/2 {
		d.close()
	}
}

// close closes the holes.
func (d *dictObject) close() {
	items := make([]dictItem, 0, len(d.places))
	for _, i := range d.items {
		if i.there {
			d.places[i.key] = len(items)
			items = append(items, i)
		}
	}
	d.items = items
}

func (d *dictObject) put(x *request) error {
	k := x.bytes()
	var old []byte
	if x.op == dictSwap {
		old = x.bytes()
	}
	v := x.value()
	if err := x.args(); err != nil {
		return err
	}
	n, there := d.places[string(k)]
	yes := true
	switch x.op {
	case dictAdd:
		yes = !there
	case dictSwap:
		yes = there && len(d.items[n].value.refs) == 0 && bytes.Equal(d.items[n].value.data, old)
	}
	if yes {
		if err := d.set(x, k, v); err != nil {
			return err
		}
	}
	x.out.flag(yes)
	return nil
}

func (d *dictObject) set(x *request, k []byte, v value) error {
	v, err := x.keep(v)
	if err != nil {
		return err
	}
	if n, there := d.places[string(k)]; there {
		x.discard(d.items[n].value)
		d.items[n].value = v
		return nil
	}
	d.version++
	d.places[string(k)] = len(d.items)
	d.items = append(d.items, dictItem{string(k), v, true})
	return nil
}

// setAll sets all or nothing.
func (d *dictObject) setAll(x *request) error {
	type pair struct {
		k []byte
		v value
	}
	var pairs []pair
	for range x.count() {
		pairs = append(pairs, pair{x.bytes(), x.value()})
		if x.bad {
			break
		}
	}
	if err := x.args(); err != nil {
		return err
	}
	for _, p := range pairs {
		for _, id := range p.v.refs {
			if n, _ := x.server.graph.find(id); n == nil {
				return fmt.Errorf("%w: object %d", ErrGone, id)
			}
		}
	}
	for _, p := range pairs {
		if err := d.set(x, p.k, p.v); err != nil {
			return err
		}
	}
	return nil
}

// someBytes is how large a part of a container is that is fetched at once.
const someBytes = 32 << 10

func (d *dictObject) some(x *request) error {
	at, version := x.number(), x.number()
	if err := x.args(); err != nil {
		return err
	}
	if version != 0 && version != d.version+1 {
		return ErrChanged
	}
	to, n, size := int(min(at, uint64(len(d.items)))), 0, 0
	from := to
	for ; to < len(d.items) && size < someBytes; to++ {
		if i := d.items[to]; i.there {
			n++
			size += len(i.key) + len(i.value.data)
		}
	}
	next := to
	if to == len(d.items) {
		next = 0
	}
	x.out.number(uint64(next))
	x.out.number(d.version + 1)
	x.out.number(uint64(n))
	for _, i := range d.items[from:to] {
		if i.there {
			x.out.bytes([]byte(i.key))
			x.give(i.value)
		}
	}
	return nil
}
