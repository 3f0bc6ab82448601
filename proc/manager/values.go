package manager

import (
	"bytes"
	"fmt"

	"github.com/shmkit/shmkit/ringbuf"
)

// Several values in one request or reply.

// values are a number and so many values. Their bytes are a part of the message.
func (r *reader) values() (vs []value) {
	for range r.count() {
		if vs = append(vs, r.value()); r.bad {
			return nil
		}
	}
	return vs
}

// keepAll makes values of the arguments the object's, in place, all or none; see keep.
func (x *request) keepAll(vs []value) error {
	var ids []uint64
	for _, v := range vs {
		ids = append(ids, v.refs...)
	}
	if err := x.server.graph.take(&x.node.owner, ids); err != nil {
		return err
	}
	for i := range vs {
		vs[i].data = bytes.Clone(vs[i].data)
	}
	return nil
}

// giveAway is give for a value that the object loses with it: not where the reply has no
// room for it. A reply says more about objects than the request did that brought them.
func (x *request) giveAway(v value) error {
	x.server.given(&x.out, v)
	if _, through := x.from.(*ringCall); through && len(x.out.b) > x.server.most {
		return fmt.Errorf("%w: the reply", ringbuf.ErrTooLarge)
	}
	if len(v.refs) > 0 {
		x.lend(v.refs)
	}
	return nil
}

// putAll is put for several, with their number in front.
func putAll[V any](t *trip, vs []V) (settle func(), err error) {
	t.number(uint64(len(vs)))
	var all []func()
	settle = func() {
		for _, s := range all {
			s()
		}
	}
	for _, v := range vs {
		s, err := put(t, v)
		if err != nil {
			settle()
			return nil, err
		}
		all = append(all, s)
	}
	return settle, nil
}

// snapshot has a container fetched in parts of so many bytes, again as long as that finds
// that it has changed meanwhile (ErrChanged): in larger parts then, as far as messages
// allow.
func snapshot(fetch func(most uint64) error) error {
	for most, limit := uint64(someBytes), uint64(16<<20); ; most = min(4*most, limit) {
		err := fetch(most)
		switch {
		case isErr(err, ringbuf.ErrTooLarge) && most > someBytes:
			limit = most / 4
		case !isErr(err, ErrChanged):
			return err
		}
	}
}
