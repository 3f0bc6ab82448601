package manager

import (
	"encoding/binary"
)

// How requests and replies lie in messages. Numbers are uvarints, bytes have their length
// in front, a value is its bytes and the objects that it leads to, in a reply with their
// kinds. A request begins with
// a header of 18 bytes:
//
//	 0 8  the client that asks, as the exchange names it
//	 8 8  object, 0 for the manager itself
//	16 2  operation, of the object's kind
//
// A reply begins with a byte: replyOK, then what the operation returns, or replyError,
// then the error (package wireerr). Both ends check whatever they read: after the first
// thing that cannot be, a reader returns zeros and says that it is bad.
//
// Nothing here cares what carries the messages.
const headerSize = 18

const (
	replyOK byte = iota
	replyError
)

func appendHeader(b []byte, from, object uint64, op op) []byte {
	b = binary.LittleEndian.AppendUint64(b, from)
	b = binary.LittleEndian.AppendUint64(b, object)
	return binary.LittleEndian.AppendUint16(b, uint16(op))
}

// value is a value that an object holds or that travels: what the codec made of it, and the
// objects of this manager that it leads to, by id.
type value struct {
	data []byte
	refs []uint64
}

// writer appends to a message.
type writer struct{ b []byte }

func (w *writer) number(n uint64) { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) integer(n int64) { w.b = binary.AppendVarint(w.b, n) }
func (w *writer) bytes(p []byte)  { w.number(uint64(len(p))); w.b = append(w.b, p...) }
func (w *writer) text(s string)   { w.number(uint64(len(s))); w.b = append(w.b, s...) }
func (w *writer) value(v value) {
	w.bytes(v.data)
	w.number(uint64(len(v.refs)))
	for _, id := range v.refs {
		w.number(id)
	}
}

func (w *writer) flag(yes bool) {
	n := byte(0)
	if yes {
		n = 1
	}
	w.b = append(w.b, n)
}

// reader reads a message.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) spoil() { r.b, r.bad = nil, true }

func (r *reader) number() uint64 {
	n, k := binary.Uvarint(r.b)
	if k <= 0 {
		r.spoil()
		return 0
	}
	r.b = r.b[k:]
	return n
}

func (r *reader) integer() int64 {
	n, k := binary.Varint(r.b)
	if k <= 0 {
		r.spoil()
		return 0
	}
	r.b = r.b[k:]
	return n
}

// count is a number of things that follow, of which each takes a byte at least.
func (r *reader) count() int {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.spoil()
		return 0
	}
	return int(n)
}

// bytes are a part of the message.
func (r *reader) bytes() []byte {
	n := r.count()
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) flag() bool {
	if len(r.b) == 0 || r.b[0] > 1 {
		r.spoil()
		return false
	}
	yes := r.b[0] == 1
	r.b = r.b[1:]
	return yes
}

// value's bytes are a part of the message.
func (r *reader) value() (v value) {
	v.data = r.bytes()
	if n := r.count(); n > 0 {
		v.refs = make([]uint64, n)
		for i := range v.refs {
			v.refs[i] = r.number()
		}
	}
	return v
}

// given is a value in a reply: it says of what kind the objects are.
type given struct {
	value
	kinds []string
}

func (r *reader) given() (v given) {
	v.data = r.bytes()
	if n := r.count(); n > 0 {
		v.refs, v.kinds = make([]uint64, n), make([]string, n)
		for i := range v.refs {
			v.refs[i], v.kinds[i] = r.number(), r.text()
		}
	}
	return v
}

// done says whether all was read, and nothing was bad.
func (r *reader) done() bool { return !r.bad && len(r.b) == 0 }
