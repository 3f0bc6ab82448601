package manager

import (
	"context"
	"iter"
	"runtime"
	"slices"
)

// List is a list in a manager, which any number of processes share: Python's manager.list.
// Its methods may be called from any goroutine; each takes effect at one instant, for all
// processes in the same order.
//
// Elements are copies. A proxy among them, at any depth, leads to the same object
// everywhere, which lives as long as the list has it; a list may contain itself. Elements
// are equal if they are encoded to the same bytes (RFC 8949, deterministic); those with
// proxies are equal to nothing, and looking for one is an ErrArgument.
//
// A negative index counts from the end. The ends of slices do so as well, and may lie
// beyond those of the list, as in Python; End is the end.
//
// Errors of all methods are those of Dict's, and ErrIndex for an index that is out of
// range. With ErrIndex and all others but the context's, nothing has changed. A list has at
// most 67 million elements: ErrTooLong.
type List[V any] struct{ sequence[V] }

// NewList makes a list of elements. The process has it until Close, or until the proxy
// cannot be reached any more. Errors are also ErrTooManyObjects.
func NewList[V any](ctx context.Context, m *Manager, vs ...V) (*List[V], error) {
	l := new(List[V])
	if err := l.make(ctx, m, listKind, vs); err != nil {
		return nil, err
	}
	return l, nil
}

// String describes the proxy. It does not ask the manager.
func (l *List[V]) String() string { return l.describe(listKind) }

// MarshalBinary lets the list travel. See Manager.MarshalBinary.
func (l *List[V]) MarshalBinary() ([]byte, error) { return l.leave(listKind) }

// UnmarshalBinary makes l the list that has arrived.
func (l *List[V]) UnmarshalBinary(data []byte) error { return l.enter(listKind, data) }

// Get returns an element.
func (l *List[V]) Get(ctx context.Context, i int) (V, error) { return l.read(ctx, listGet, i) }

// Set replaces an element.
func (l *List[V]) Set(ctx context.Context, i int, v V) error { return l.set(ctx, i, v) }

// Len returns how many elements there are.
func (l *List[V]) Len(ctx context.Context) (int, error) { return l.length(ctx) }

// Append appends an element.
func (l *List[V]) Append(ctx context.Context, v V) error { return l.splice(ctx, End, End, []V{v}) }

// AppendAll appends elements, in one step. (Python's extend and +=.)
func (l *List[V]) AppendAll(ctx context.Context, vs ...V) error { return l.splice(ctx, End, End, vs) }

// Insert inserts an element before that of an index; beyond the ends, at them.
func (l *List[V]) Insert(ctx context.Context, i int, v V) error { return l.splice(ctx, i, i, []V{v}) }

// Pop removes an element and returns it.
func (l *List[V]) Pop(ctx context.Context, i int) (V, error) { return l.read(ctx, listPop, i) }

// PopLast removes the last element and returns it. ErrEmpty: there is none.
func (l *List[V]) PopLast(ctx context.Context) (V, error) {
	v, err := l.read(ctx, listPop, -1)
	if isErr(err, ErrIndex) {
		err = ErrEmpty
	}
	return v, err
}

// Delete removes an element.
func (l *List[V]) Delete(ctx context.Context, i int) error { return l.send(ctx, listDelete, i) }

// Remove removes the first element that is equal to v. ErrKey: there is none.
func (l *List[V]) Remove(ctx context.Context, v V) error {
	_, err := l.look(ctx, listRemove, v, nil)
	return err
}

// Index returns the index of the first element that is equal to v. ErrKey: there is none.
func (l *List[V]) Index(ctx context.Context, v V) (int, error) { return l.IndexIn(ctx, v, 0, End) }

// IndexIn is Index in a slice. The index is that in the list.
func (l *List[V]) IndexIn(ctx context.Context, v V, from, to int) (int, error) {
	return l.look(ctx, listIndex, v, func(t *trip) {
		t.integer(int64(from))
		t.integer(int64(to))
	})
}

// Count returns how many elements are equal to v.
func (l *List[V]) Count(ctx context.Context, v V) (int, error) {
	n, err := l.look(ctx, listCount, v, nil)
	return n, err
}

// Contains says whether an element is equal to v.
func (l *List[V]) Contains(ctx context.Context, v V) (bool, error) {
	_, err := l.Index(ctx, v)
	if isErr(err, ErrKey) {
		return false, nil
	}
	return err == nil, err
}

// look does an operation on a value that is to be found. fill, if any, writes what comes
// before it.
func (l *List[V]) look(ctx context.Context, o op, v V, fill func(t *trip)) (int, error) {
	data, err := same(v)
	if err != nil {
		return 0, err
	}
	t, err := l.begin(o)
	if err != nil {
		return 0, err
	}
	defer t.end()
	if fill != nil {
		fill(t)
	}
	t.writer.bytes(data)
	r, err := t.call(ctx, false)
	runtime.KeepAlive(l)
	if err != nil || o == listRemove {
		return 0, err
	}
	return int(r.number()), nil
}

// Update replaces an element by what fn makes of it, in one step, and returns that: fn is
// called again if others have changed the element meanwhile, and a negative index counts
// anew. If fn returns an error nothing changes. Elements with proxies cannot be updated
// (ErrArgument).
func (l *List[V]) Update(ctx context.Context, i int, fn func(v V) (V, error)) (V, error) {
	return l.update(ctx, i, fn)
}

// CompareAndSwap replaces an element by v if it is equal to old, and says whether it did.
func (l *List[V]) CompareAndSwap(ctx context.Context, i int, old, v V) (swapped bool, err error) {
	return l.compareAndSwap(ctx, i, old, v)
}

// Slice returns the elements of a slice, as they were at one instant.
func (l *List[V]) Slice(ctx context.Context, from, to int) ([]V, error) {
	vs, _, err := l.slice(ctx, from, to)
	return vs, err
}

// Copy returns all elements, as they were at one instant.
func (l *List[V]) Copy(ctx context.Context) ([]V, error) { return l.Slice(ctx, 0, End) }

// SetSlice puts values in the place of a slice, as many as there are. (Python's
// l[from:to] = vs.)
func (l *List[V]) SetSlice(ctx context.Context, from, to int, vs []V) error {
	return l.splice(ctx, from, to, vs)
}

// DeleteSlice removes the elements of a slice.
func (l *List[V]) DeleteSlice(ctx context.Context, from, to int) error {
	return l.splice(ctx, from, to, nil)
}

// Clear removes all elements.
func (l *List[V]) Clear(ctx context.Context) error { return l.splice(ctx, 0, End, nil) }

// Reverse turns the order round.
func (l *List[V]) Reverse(ctx context.Context) error { return l.ask(ctx, listReverse, false) }

// Repeat has the list so many times its elements; 0 and less clear it. (Python's *=.)
func (l *List[V]) Repeat(ctx context.Context, times int) error { return l.send(ctx, listRepeat, times) }

// Sort sorts the list, in one step; the order of equal elements stays. compare, as that of
// slices.SortFunc, runs here, on copies, and again if others have changed the list
// meanwhile.
func (l *List[V]) Sort(ctx context.Context, compare func(a, b V) int) error {
	for {
		vs, changes, err := l.slice(ctx, 0, End)
		if err != nil {
			return err
		}
		order := make([]int, len(vs))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return compare(vs[a], vs[b]) })
		if err := l.permute(ctx, changes, order); !isErr(err, ErrChanged) {
			return err
		}
	}
}

// permute puts the elements into an order, if the changes are those.
func (l *List[V]) permute(ctx context.Context, changes uint64, order []int) error {
	t, err := l.begin(listPermute)
	if err != nil {
		return err
	}
	defer t.end()
	t.number(changes)
	t.number(uint64(len(order)))
	for _, i := range order {
		t.number(uint64(i))
	}
	_, err = t.call(ctx, false)
	runtime.KeepAlive(l)
	return err
}

// All iterates over the elements from the front, as Python does: each is fetched when its
// turn comes, by its index, so the loop sees what it and others change meanwhile, and ends
// at what is the end then. An error is yielded last. Copy is faster.
func (l *List[V]) All(ctx context.Context) iter.Seq2[V, error] { return l.all(ctx) }

// Backward is All from the back to the front.
func (l *List[V]) Backward(ctx context.Context) iter.Seq2[V, error] { return l.backward(ctx) }
