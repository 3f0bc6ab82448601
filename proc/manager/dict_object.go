package manager

import "sync"

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
	dictSome                   // place, version or 0, bytes at most; returns the next place, the version, count, keys and values
	dictKeys                   // as dictSome, without values
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
		if err := x.args(); err != nil {
			return err
		}
		for _, i := range d.items {
			x.discard(i.value)
		}
		d.items = nil
		clear(d.places)
		d.version++
		return nil
	case dictPopItem:
		if err := x.args(); err != nil {
			return err
		}
		for n := len(d.items) - 1; n >= 0; n-- {
			if i := d.items[n]; i.there {
				x.out.text(i.key)
				if err := x.giveAway(i.value); err != nil {
					return err
				}
				d.remove(x, n)
				return nil
			}
		}
		return ErrKey
	case dictSome, dictKeys:
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
	switch x.op {
	case dictGet:
		x.give(d.items[n].value)
		return nil
	case dictPop:
		if err := x.giveAway(d.items[n].value); err != nil {
			return err
		}
	}
	d.remove(x, n)
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
		yes = there && d.items[n].value.is(old)
	}
	if yes {
		v, err := x.keep(v)
		if err != nil {
			return err
		}
		d.set(x, k, v)
	}
	x.out.flag(yes)
	return nil
}

// set gives a key a value that is the object's (keep).
func (d *dictObject) set(x *request, k []byte, v value) {
	if n, there := d.places[string(k)]; there {
		x.discard(d.items[n].value)
		d.items[n].value = v
		return
	}
	d.version++
	d.places[string(k)] = len(d.items)
	d.items = append(d.items, dictItem{string(k), v, true})
}

// setAll sets all or nothing.
func (d *dictObject) setAll(x *request) error {
	var keys [][]byte
	var values []value
	for range x.count() {
		if keys, values = append(keys, x.bytes()), append(values, x.value()); x.bad {
			break
		}
	}
	if err := x.args(); err != nil {
		return err
	}
	if err := x.keepAll(values); err != nil {
		return err
	}
	for i, k := range keys {
		d.set(x, k, values[i])
	}
	return nil
}

// someBytes is how large a part of a container is that is fetched at once.
const someBytes = 32 << 10

// some writes as many items as go into so many bytes, one at least.
func (d *dictObject) some(x *request) error {
	at, version, most := x.number(), x.number(), x.number()
	if err := x.args(); err != nil {
		return err
	}
	if version != 0 && version != d.version+1 {
		return ErrChanged
	}
	from := int(min(at, uint64(len(d.items))))
	to, n, size := from, 0, uint64(0)
	for ; to < len(d.items); to++ {
		if i := d.items[to]; i.there {
			if size += uint64(2 + len(i.key)); x.op == dictSome {
				size += i.value.size()
			}
			if size > most && n > 0 {
				break
			}
			n++
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
			x.out.text(i.key)
			if x.op == dictSome {
				x.give(i.value)
			}
		}
	}
	return nil
}
