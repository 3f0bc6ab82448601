package manager

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"
	"runtime"
)

// table is what Dict, Set and Namespace are: keys that have values.
type table[K comparable, V any] struct{ proxy }

// about begins an operation on a key.
func (d *table[K, V]) about(o op, k K) (*trip, error) {
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
func (d *table[K, V]) read(ctx context.Context, o op, k K) (v V, err error) {
	err = d.fetch(ctx, o, k, func(t *trip, val given) (err error) {
		v, err = get[V](t, val)
		return err
	})
	return v, err
}

// fetch is read for whom get is not right.
func (d *table[K, V]) fetch(ctx context.Context, o op, k K, take func(t *trip, val given) error) error {
	t, err := d.about(o, k)
	if err != nil {
		return err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	if err != nil {
		return err
	}
	err = take(t, r.given())
	runtime.KeepAlive(d)
	return err
}

// write does an operation with a key and a value, to which the reply is a flag.
func (d *table[K, V]) write(ctx context.Context, o op, k K, v V) (yes bool, err error) {
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

// bytes is read, with the bytes of the value.
func (d *table[K, V]) bytes(ctx context.Context, k K) (v V, b []byte, err error) {
	err = d.fetch(ctx, dictGet, k, func(t *trip, val given) (err error) {
		b = bytes.Clone(val.data)
		if v, err = get[V](t, val); err == nil && len(val.refs) > 0 {
			err = fmt.Errorf("%w: a value with proxies cannot be compared", ErrArgument)
		}
		return err
	})
	return v, b, err
}

// swap gives a key a value where it has that of the bytes was.
func (d *table[K, V]) swap(ctx context.Context, k K, was []byte, v V) (swapped bool, err error) {
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

// test does an operation on a key to which the reply is a flag.
func (d *table[K, V]) test(ctx context.Context, o op, k K) (yes bool, err error) {
	t, err := d.about(o, k)
	if err != nil {
		return false, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	runtime.KeepAlive(d)
	return err == nil && r.flag(), err
}

// remove removes a key.
func (d *table[K, V]) remove(ctx context.Context, k K) error {
	t, err := d.about(dictDelete, k)
	if err != nil {
		return err
	}
	defer t.end()
	_, err = t.call(ctx, false)
	runtime.KeepAlive(d)
	return err
}

func (d *table[K, V]) length(ctx context.Context) (int, error) {
	t, err := d.begin(dictLen)
	if err != nil {
		return 0, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	runtime.KeepAlive(d)
	return int(r.number()), err
}

// popItem removes the key that came last. ErrKey: there is none.
func (d *table[K, V]) popItem(ctx context.Context) (k K, v V, err error) {
	t, err := d.begin(dictPopItem)
	if err != nil {
		return k, v, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	if err != nil {
		return k, v, err
	}
	i, err := getItem[K, V](t, &r)
	runtime.KeepAlive(d)
	return i.Key, i.Value, err
}

// all iterates in order. That nothing has come or gone is asked once more at the end.
// o is dictSome, or dictKeys for zero values.
func (d *table[K, V]) all(ctx context.Context, o op) iter.Seq2[Item[K, V], error] {
	return func(yield func(Item[K, V], error) bool) {
		for at, version := uint64(0), uint64(0); ; {
			items, next, v, err := d.some(ctx, o, at, version, someBytes)
			for _, i := range items {
				if !yield(i, nil) {
					return
				}
			}
			if err == nil && next == 0 && len(items) > 0 {
				_, _, _, err = d.some(ctx, o, math.MaxUint64, v, 0)
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

// items returns all of one instant, as far as keys go. o is as in all.
func (d *table[K, V]) items(ctx context.Context, o op) (all []Item[K, V], err error) {
	err = snapshot(func(most uint64) error {
		all = []Item[K, V]{}
		for at, version := uint64(0), uint64(0); ; {
			items, next, v, err := d.some(ctx, o, at, version, most)
			if err != nil {
				return err
			}
			if all, at, version = append(all, items...), next, v; next == 0 {
				return nil
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// some returns about so many bytes of items from a place on, the place to go on at, 0 at
// the end, and the version of the keys, which must be that one but for 0.
func (d *table[K, V]) some(ctx context.Context, o op, at, version, most uint64) (items []Item[K, V], next, v uint64, err error) {
	t, err := d.begin(o)
	if err != nil {
		return nil, 0, 0, err
	}
	defer t.end()
	t.number(at)
	t.number(version)
	t.number(most)
	r, err := t.call(ctx, false)
	if err != nil {
		return nil, 0, 0, err
	}
	next, v = r.number(), r.number()
	items = make([]Item[K, V], r.count())
	for n := range items { // also after a failure: what follows may bring objects
		var e error
		if o == dictKeys {
			e = getKey(r.bytes(), &items[n].Key)
		} else {
			items[n], e = getItem[K, V](t, &r)
		}
		if err == nil {
			err = e
		}
	}
	runtime.KeepAlive(d)
	if err == nil && !r.done() {
		err = ErrProtocol
	}
	if err != nil {
		return nil, 0, 0, err
	}
	return items, next, v, nil
}

// getItem decodes a key and its value. What the value leads to is let go at once if the key
// cannot be decoded, and not when the garbage collector finds it.
func getItem[K comparable, V any](t *trip, r *reader) (i Item[K, V], err error) {
	k, val := r.bytes(), r.given()
	if err = getKey(k, &i.Key); err != nil {
		refuse(t, val)
	} else {
		i.Value, err = get[V](t, val)
	}
	if err != nil {
		return Item[K, V]{}, err
	}
	return i, nil
}

func getKey(data []byte, ptr any) error {
	if err := unmarshalKey(data, ptr); err != nil {
		return fmt.Errorf("%w: key: %w", ErrValue, err)
	}
	return nil
}

// keys returns the keys in order.
func (d *table[K, V]) keys(ctx context.Context) ([]K, error) {
	items, err := d.items(ctx, dictKeys)
	if err != nil {
		return nil, err
	}
	keys := make([]K, len(items))
	for n, i := range items {
		keys[n] = i.Key
	}
	return keys, nil
}
