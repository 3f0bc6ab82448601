package manager

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"
	"runtime"
)

// End is the end of a list or array, however long it is: l.Slice(ctx, 2, End) is what
// follows the first two.
const End = math.MaxInt

// sequence is what List, Array and Value are: values that have an index.
type sequence[V any] struct{ proxy }

// make makes an object of a kind, of values.
func (s *sequence[V]) make(ctx context.Context, m *Manager, kind string, vs []V) error {
	return m.create(ctx, &s.proxy, kind, func(t *trip) (func(), error) { return putAll(t, vs) })
}

// about begins an operation on an index.
func (s *sequence[V]) about(o op, i int) (*trip, error) {
	t, err := s.begin(o)
	if err == nil {
		t.integer(int64(i))
	}
	return t, err
}

// send does an operation on an index, to which the reply is empty.
func (s *sequence[V]) send(ctx context.Context, o op, i int) error {
	t, err := s.about(o, i)
	if err != nil {
		return err
	}
	defer t.end()
	_, err = t.call(ctx, false)
	runtime.KeepAlive(s)
	return err
}

// read does an operation on an index, to which the reply is a value.
func (s *sequence[V]) read(ctx context.Context, o op, i int) (v V, err error) {
	t, err := s.about(o, i)
	if err != nil {
		return v, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	if err != nil {
		return v, err
	}
	v, err = get[V](t, r.given())
	runtime.KeepAlive(s)
	return v, err
}

func (s *sequence[V]) set(ctx context.Context, i int, v V) error {
	t, err := s.about(listSet, i)
	if err != nil {
		return err
	}
	defer t.end()
	settle, err := put(t, v)
	if err != nil {
		return err
	}
	defer settle()
	_, err = t.call(ctx, false)
	runtime.KeepAlive(s)
	return err
}

// bytes is read, with the bytes of the value.
func (s *sequence[V]) bytes(ctx context.Context, i int) (v V, b []byte, err error) {
	t, err := s.about(listGet, i)
	if err != nil {
		return v, nil, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	if err != nil {
		return v, nil, err
	}
	val := r.given()
	b = bytes.Clone(val.data)
	v, err = get[V](t, val)
	if err == nil && len(val.refs) > 0 {
		err = fmt.Errorf("%w: a value with proxies cannot be compared", ErrArgument)
	}
	runtime.KeepAlive(s)
	return v, b, err
}

// swap puts v where the bytes were.
func (s *sequence[V]) swap(ctx context.Context, i int, was []byte, v V) (swapped bool, err error) {
	t, err := s.about(listSwap, i)
	if err != nil {
		return false, err
	}
	defer t.end()
	t.writer.bytes(was)
	settle, err := put(t, v)
	if err != nil {
		return false, err
	}
	defer settle()
	r, err := t.call(ctx, false)
	runtime.KeepAlive(s)
	return err == nil && r.flag(), err
}

func (s *sequence[V]) compareAndSwap(ctx context.Context, i int, old, v V) (swapped bool, err error) {
	was, err := same(old)
	if err != nil {
		return false, err
	}
	return s.swap(ctx, i, was, v)
}

func (s *sequence[V]) update(ctx context.Context, i int, fn func(V) (V, error)) (V, error) {
	for {
		var zero V
		was, old, err := s.bytes(ctx, i)
		if err != nil {
			return zero, err
		}
		v, err := fn(was)
		if err != nil {
			return zero, err
		}
		switch swapped, err := s.swap(ctx, i, old, v); {
		case err != nil:
			return zero, err
		case swapped:
			return v, nil
		}
	}
}

func (s *sequence[V]) length(ctx context.Context) (int, error) {
	t, err := s.begin(listLen)
	if err != nil {
		return 0, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	runtime.KeepAlive(s)
	return int(r.number()), err
}

// splice puts values in the place of a slice.
func (s *sequence[V]) splice(ctx context.Context, from, to int, vs []V) error {
	t, err := s.about(listSplice, from)
	if err != nil {
		return err
	}
	defer t.end()
	t.integer(int64(to))
	settle, err := putAll(t, vs)
	if err != nil {
		return err
	}
	defer settle()
	_, err = t.call(ctx, false)
	runtime.KeepAlive(s)
	return err
}

// slice returns a slice as it was at one instant, and the list's changes.
func (s *sequence[V]) slice(ctx context.Context, from, to int) (vs []V, changes uint64, err error) {
	err = snapshot(func(most uint64) (err error) {
		vs, changes, err = s.parts(ctx, from, to, most)
		return err
	})
	return vs, changes, err
}

// parts returns a slice and the list's changes. ErrChanged: it has changed meanwhile.
func (s *sequence[V]) parts(ctx context.Context, from, to int, most uint64) (vs []V, changes uint64, err error) {
	for next, end := from, to; ; {
		var part []V
		if part, next, end, changes, err = s.part(ctx, next, end, changes, most); err != nil {
			return nil, 0, err
		}
		if vs = append(vs, part...); next == end {
			return vs, changes, nil
		}
	}
}

func (s *sequence[V]) part(ctx context.Context, from, to int, was, most uint64) (vs []V, next, end int, changes uint64, err error) {
	t, err := s.about(listSome, from)
	if err != nil {
		return nil, 0, 0, 0, err
	}
	defer t.end()
	t.integer(int64(to))
	t.number(was)
	t.number(most)
	r, err := t.call(ctx, false)
	if err != nil {
		return nil, 0, 0, 0, err
	}
	next, end, changes = int(r.number()), int(r.number()), r.number()
	n := r.count()
	vs = make([]V, n)
	for i := range vs { // also after a failure: what follows may bring objects
		v, e := get[V](t, r.given())
		vs[i] = v
		if err == nil {
			err = e
		}
	}
	runtime.KeepAlive(s)
	if err == nil && !r.done() {
		err = ErrProtocol
	}
	return vs, next, end, changes, err
}

func (s *sequence[V]) all(ctx context.Context) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		for i := 0; ; i++ {
			v, err := s.read(ctx, listGet, i)
			if isErr(err, ErrIndex) || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

func (s *sequence[V]) backward(ctx context.Context) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		n, err := s.length(ctx)
		if err != nil {
			yield(*new(V), err)
			return
		}
		for i := n - 1; i >= 0; i-- {
			v, err := s.read(ctx, listGet, i)
			if isErr(err, ErrIndex) {
				continue // it has become shorter
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}
