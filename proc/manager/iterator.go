package manager

import (
	"context"
	"io"
	"iter"
	"reflect"
	"runtime"
	"sync"
)

// Iterator is an iteration in a manager: what a method of a registered type has returned
// as an iter.Seq[V], or an iter.Seq2[V, error]. Several processes may share it: each
// element goes to one of them.
type Iterator[V any] struct{ proxy }

const (
	iteratorKind    = "Iterator"
	iteratorNext op = 1 // returns a value
)

// Next returns the next element, io.EOF at the end, and then always. The iteration runs in
// the manager, when it is asked. An error that it yields is returned as
// *proc.RemoteError. When ctx ends, an element may be lost.
func (i *Iterator[V]) Next(ctx context.Context) (v V, err error) {
	t, err := i.begin(iteratorNext)
	if err != nil {
		return v, err
	}
	defer t.end()
	r, err := t.call(ctx, true)
	if err != nil {
		if isErr(err, errExhausted) {
			err = io.EOF
		}
		return v, err
	}
	v, err = get[V](t, r.given())
	runtime.KeepAlive(i)
	return v, err
}

// All iterates over the elements that are left. An error is yielded last.
func (i *Iterator[V]) All(ctx context.Context) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		for {
			v, err := i.Next(ctx)
			if err == io.EOF || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// String describes the proxy. It does not ask the manager.
func (i *Iterator[V]) String() string { return i.describe(iteratorKind) }

// MarshalBinary lets the iterator travel. See Manager.MarshalBinary.
func (i *Iterator[V]) MarshalBinary() ([]byte, error) { return i.leave(iteratorKind) }

// UnmarshalBinary makes i the iterator that has arrived.
func (i *Iterator[V]) UnmarshalBinary(data []byte) error { return i.enter(iteratorKind, data) }

// iteratorObject is an iteration. Its function runs for one caller at a time.
type iteratorObject struct {
	server *server
	mu     sync.Mutex
	pull   *pull
	over   bool
}

func (i *iteratorObject) left(*session) {}

func (i *iteratorObject) died() {
	go func() { // it may be running
		i.mu.Lock()
		defer i.mu.Unlock()
		i.over = true
		i.pull.stop()
	}()
}

func (i *iteratorObject) serve(x *request) error {
	if x.op != iteratorNext {
		return x.unknown()
	}
	if err := x.args(); err != nil {
		return err
	}
	v := i.server
	v.runLater(x, i.next, func(p *parked, val value) {
		var w writer
		v.given(&w, val)
		if !p.send(w) {
			for _, id := range val.refs {
				v.bury(v.graph.drop(&p.sess.owner, id, 1))
			}
		}
	})
	return nil
}

func (i *iteratorObject) next(_ context.Context, c *conn) (value, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over {
		return value{}, errExhausted
	}
	i.over = true // should it panic
	element, err, more := i.pull.next()
	if !more {
		return value{}, errExhausted
	}
	i.over = false
	if err != nil {
		return value{}, err
	}
	return i.server.result(c, elem(element))
}

// elem is what is in an interface.
func elem(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Interface && !v.IsNil() {
		return v.Elem()
	}
	return v
}
