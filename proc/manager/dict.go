package manager

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"runtime"
)

// Dict is a dictionary in a manager, which any number of processes share: Python's
// manager.dict. Its methods may be called from any goroutine; each takes effect at one
// instant, for all processes in the same order.
//
// Keys are encoded (RFC 8949) and equal if their encodings are: integers of every width
// are one, floats of both widths as well, but 1, 1.0 and true are three keys, unlike
// Python's. A key read as an any is an int64, a float64, a string, a bool, or nil. Values
// are copies. A proxy among them, at any depth of a struct, slice or map, leads to the same object
// everywhere, which lives as long as the dictionary has it. The order is that in which
// keys came, as in Python.
//
// All methods return ErrManagerGone at once if the manager has ended, ErrClosed after
// Close, ErrArgument for a key or value that cannot be encoded, ErrValue for one that
// cannot be decoded as K or V, ringbuf.ErrTooLarge for more than Options.MaxMessage
// bytes, and the context's error; with that, the operation may have taken effect or not,
// with all others it has not.
type Dict[K comparable, V any] struct{ proxy }

// NewDict makes an empty dictionary. The process has it until Close, or until the proxy
// cannot be reached any more. Errors are also ErrTooManyObjects.
func NewDict[K comparable, V any](ctx context.Context, m *Manager) (*Dict[K, V], error) {
	d := new(Dict[K, V])
	if err := m.create(ctx, &d.proxy, dictKind, nil); err != nil {
		return nil, err
	}
	return d, nil
}

// String describes the proxy. It does not ask the manager.
func (d *Dict[K, V]) String() string { return d.describe(dictKind) }

// MarshalBinary lets the dictionary travel. See Manager.MarshalBinary.
func (d *Dict[K, V]) MarshalBinary() ([]byte, error) { return d.leave(dictKind) }

// UnmarshalBinary makes d the dictionary that has arrived.
func (d *Dict[K, V]) UnmarshalBinary(data []byte) error { return d.enter(dictKind, data) }

// about begins an operation on a key.
func (d *Dict[K, V]) about(o op, k K) (*trip, error) {
	data, err := key(k)
	if err != nil {
		return nil, err
	}
	t, err := d.begin(o)
	if err != nil {
		return nil, err
	}
	t.bytes(data)
	return t, nil
}

// read does an operation on a key to which the reply is a value.
func (d *Dict[K, V]) read(ctx context.Context, o op, k K) (v V, err error) {
	t, err := d.about(o, k)
	if err != nil {
		return v, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	if err != nil {
		return v, err
	}
	v, err = get[V](t, r.given())
	runtime.KeepAlive(d)
	return v, err
}

// Get returns the value of a key. ErrKey: there is none.
func (d *Dict[K, V]) Get(ctx context.Context, k K) (V, error) { return d.read(ctx, dictGet, k) }

// Pop removes a key and returns its value. ErrKey: there is none.
func (d *Dict[K, V]) Pop(ctx context.Context, k K) (V, error) { return d.read(ctx, dictPop, k) }

// Set gives a key a value.
func (d *Dict[K, V]) Set(ctx context.Context, k K, v V) error {
	_, err := d.write(ctx, dictSet, k, v)
	return err
}

// write does an operation with a key and a value, to which the reply is a flag.
func (d *Dict[K, V]) write(ctx context.Context, o op, k K, v V) (yes bool, err error) {
	t, err := d.about(o, k)
	if err != nil {
		return false, err
	}
	defer t.end()
	settle, err := put(t, v)
	if err != nil {
		return false, err
	}
	defer settle()
	r, err := t.call(ctx, false)
	runtime.KeepAlive(d)
	return err == nil && r.flag(), err
}

// Add gives a key a value if it has none, and says whether it did.
func (d *Dict[K, V]) Add(ctx context.Context, k K, v V) (added bool, err error) {
	return d.write(ctx, dictAdd, k, v)
}

// SetDefault returns the value of a key, which it gives the value v if it has none.
// (Python's setdefault.)
func (d *Dict[K, V]) SetDefault(ctx context.Context, k K, v V) (V, error) {
	for {
		if added, err := d.Add(ctx, k, v); added || err != nil {
			return v, err
		}
		if was, err := d.Get(ctx, k); !isErr(err, ErrKey) {
			return was, err
		}
	}
}

// GetOr is Get that returns v where there is no such key.
func (d *Dict[K, V]) GetOr(ctx context.Context, k K, v V) (V, error) {
	was, err := d.Get(ctx, k)
	if isErr(err, ErrKey) {
		return v, nil
	}
	return was, err
}

// Delete removes a key. ErrKey: there is none.
func (d *Dict[K, V]) Delete(ctx context.Context, k K) error {
	t, err := d.about(dictDelete, k)
	if err != nil {
		return err
	}
	defer t.end()
	_, err = t.call(ctx, false)
	runtime.KeepAlive(d)
	return err
}

// Contains says whether there is a key.
func (d *Dict[K, V]) Contains(ctx context.Context, k K) (bool, error) {
	t, err := d.about(dictContains, k)
	if err != nil {
		return false, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	runtime.KeepAlive(d)
	return err == nil && r.flag(), err
}

// Update gives a key the value that fn makes of its value, of which there says whether
// there was one, in one step: fn is called again if others have changed that meanwhile. If
// fn returns an error nothing changes. Values with proxies cannot be updated (ErrArgument).
func (d *Dict[K, V]) Update(ctx context.Context, k K, fn func(v V, there bool) (V, error)) (V, error) {
	for {
		var zero V
		was, old, err := d.bytes(ctx, k)
		there := err == nil
		if err != nil && !isErr(err, ErrKey) {
			return zero, err
		}
		v, err := fn(was, there)
		if err != nil {
			return zero, err
		}
		done := false
		if there {
			done, err = d.swap(ctx, k, old, v)
		} else {
			done, err = d.Add(ctx, k, v)
		}
		if done || err != nil {
			return v, err
		}
	}
}

// CompareAndSwap gives a key the value v if it has the value old, and says whether it did.
// Values are the same if they are encoded to the same bytes; those with proxies cannot be
// compared (ErrArgument).
func (d *Dict[K, V]) CompareAndSwap(ctx context.Context, k K, old, v V) (swapped bool, err error) {
	was, err := same(old)
	if err != nil {
		return false, err
	}
	return d.swap(ctx, k, was, v)
}

// bytes is Get, with the bytes of the value.
func (d *Dict[K, V]) bytes(ctx context.Context, k K) (v V, b []byte, err error) {
	t, err := d.about(dictGet, k)
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
	runtime.KeepAlive(d)
	return v, b, err
}

// swap is CompareAndSwap with the bytes of the old value.
func (d *Dict[K, V]) swap(ctx context.Context, k K, was []byte, v V) (swapped bool, err error) {
	t, err := d.about(dictSwap, k)
	if err != nil {
		return false, err
	}
	defer t.end()
	t.bytes(was)
	settle, err := put(t, v)
	if err != nil {
		return false, err
	}
	defer settle()
	r, err := t.call(ctx, false)
	runtime.KeepAlive(d)
	return err == nil && r.flag(), err
}

// SetAll gives keys values, in one step. (Python's update.)
func (d *Dict[K, V]) SetAll(ctx context.Context, pairs map[K]V) error {
	t, err := d.begin(dictSetAll)
	if err != nil {
		return err
	}
	defer t.end()
	t.number(uint64(len(pairs)))
	for k, v := range pairs {
		data, err := key(k)
		if err != nil {
			return err
		}
		t.bytes(data)
		settle, err := put(t, v)
		if err != nil {
			return err
		}
		defer settle()
	}
	_, err = t.call(ctx, false)
	runtime.KeepAlive(d)
	return err
}

// Len returns how many keys there are.
func (d *Dict[K, V]) Len(ctx context.Context) (int, error) {
	t, err := d.begin(dictLen)
	if err != nil {
		return 0, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	runtime.KeepAlive(d)
	return int(r.number()), err
}

// Clear removes all keys.
func (d *Dict[K, V]) Clear(ctx context.Context) error { return d.ask(ctx, dictClear, false) }

// PopItem removes the key that came last, and returns it and its value. ErrKey: there is
// none.
func (d *Dict[K, V]) PopItem(ctx context.Context) (k K, v V, err error) {
	t, err := d.begin(dictPopItem)
	if err != nil {
		return k, v, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	if err != nil {
		return k, v, err
	}
	data, val := r.bytes(), r.given()
	if k, err = getKey[K](data); err != nil {
		refuse(t, val)
	} else {
		v, err = get[V](t, val)
	}
	runtime.KeepAlive(d)
	return k, v, err
}

// All iterates over keys and values in order. They are fetched as they are needed, some
// at a time: values are what they are then. If keys come or go meanwhile it ends with
// ErrChanged, as Python's iteration with a RuntimeError. An error is yielded last, with
// zero keys and values.
func (d *Dict[K, V]) All(ctx context.Context) iter.Seq2[Item[K, V], error] {
	return func(yield func(Item[K, V], error) bool) {
		for at, version := uint64(0), uint64(0); ; {
			items, next, v, err := d.some(ctx, at, version)
			for _, i := range items {
				if !yield(i, nil) {
					return
				}
			}
			if err != nil {
				yield(Item[K, V]{}, err)
				return
			}
			if at, version = next, v; next == 0 {
				return
			}
		}
	}
}

// Item is a key and its value.
type Item[K comparable, V any] struct {
	Key   K
	Value V
}

// some returns items from a place on, the place to go on at, 0 at the end, and the version
// of the keys, which must be that one but for 0.
func (d *Dict[K, V]) some(ctx context.Context, at, version uint64) (items []Item[K, V], next, v uint64, err error) {
	t, err := d.begin(dictSome)
	if err != nil {
		return nil, 0, 0, err
	}
	defer t.end()
	t.number(at)
	t.number(version)
	r, err := t.call(ctx, false)
	if err != nil {
		return nil, 0, 0, err
	}
	next, v = r.number(), r.number()
	var failed error
	for range r.count() {
		k, value := r.bytes(), r.given()
		var i Item[K, V]
		if i.Value, err = get[V](t, value); err == nil { // also after a failure: it may hold objects
			i.Key, err = getKey[K](k)
		}
		if failed == nil {
			failed = err
		}
		items = append(items, i)
	}
	runtime.KeepAlive(d)
	if failed == nil && !r.done() {
		failed = ErrProtocol
	}
	if failed != nil {
		return nil, 0, 0, failed
	}
	return items, next, v, nil
}

// Items returns the keys and values in order. Where keys came or went while they were
// fetched it begins again, so they are those of one instant; values may be of several.
func (d *Dict[K, V]) Items(ctx context.Context) ([]Item[K, V], error) {
	for {
		all := []Item[K, V]{}
		var failed error
		for i, err := range d.All(ctx) {
			if failed = err; err == nil {
				all = append(all, i)
			}
		}
		if !isErr(failed, ErrChanged) {
			return all, failed
		}
	}
}

// Keys returns the keys in order. As Items.
func (d *Dict[K, V]) Keys(ctx context.Context) ([]K, error) {
	items, err := d.Items(ctx)
	keys := make([]K, len(items))
	for n, i := range items {
		keys[n] = i.Key
	}
	return keys, err
}

// Values returns the values in order. As Items.
func (d *Dict[K, V]) Values(ctx context.Context) ([]V, error) {
	items, err := d.Items(ctx)
	values := make([]V, len(items))
	for n, i := range items {
		values[n] = i.Value
	}
	return values, err
}

// Copy returns the dictionary as a map. As Items.
func (d *Dict[K, V]) Copy(ctx context.Context) (map[K]V, error) {
	items, err := d.Items(ctx)
	m := make(map[K]V, len(items))
	for _, i := range items {
		m[i.Key] = i.Value
	}
	return m, err
}

func getKey[K any](data []byte) (k K, err error) {
	if err := unmarshalKey(data, &k); err != nil {
		return k, fmt.Errorf("%w: key: %w", ErrValue, err)
	}
	return k, nil
}
