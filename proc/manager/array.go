package manager

import (
	"context"
	"iter"
)

// Array is a list of a length that does not change, in a manager: Python's manager.Array.
// Elements, indices and errors are those of List. Its methods may be called from any
// goroutine.
type Array[V any] struct{ sequence[V] }

// NewArray makes an array of elements. Errors are those of NewList.
func NewArray[V any](ctx context.Context, m *Manager, vs ...V) (*Array[V], error) {
	a := new(Array[V])
	if err := a.make(ctx, m, arrayKind, vs); err != nil {
		return nil, err
	}
	return a, nil
}

// String describes the proxy. It does not ask the manager.
func (a *Array[V]) String() string { return a.describe(arrayKind) }

// MarshalBinary lets the array travel. See Manager.MarshalBinary.
func (a *Array[V]) MarshalBinary() ([]byte, error) { return a.leave(arrayKind) }

// UnmarshalBinary makes a the array that has arrived.
func (a *Array[V]) UnmarshalBinary(data []byte) error { return a.enter(arrayKind, data) }

// At returns an element.
func (a *Array[V]) At(ctx context.Context, i int) (V, error) { return a.read(ctx, listGet, i) }

// Set replaces an element.
func (a *Array[V]) Set(ctx context.Context, i int, v V) error { return a.set(ctx, i, v) }

// Len returns how many elements there are.
func (a *Array[V]) Len(ctx context.Context) (int, error) { return a.length(ctx) }

// Slice returns the elements of a slice, as they were at one instant.
func (a *Array[V]) Slice(ctx context.Context, from, to int) ([]V, error) {
	vs, _, err := a.slice(ctx, from, to)
	return vs, err
}

// SetSlice replaces the elements of a slice, in one step. ErrIndex: there are not as many
// values.
func (a *Array[V]) SetSlice(ctx context.Context, from, to int, vs []V) error {
	return a.splice(ctx, from, to, vs)
}

// Update replaces an element by what fn makes of it. See List.Update.
func (a *Array[V]) Update(ctx context.Context, i int, fn func(v V) (V, error)) (V, error) {
	return a.update(ctx, i, fn)
}

// CompareAndSwap replaces an element by v if it is equal to old, and says whether it did.
func (a *Array[V]) CompareAndSwap(ctx context.Context, i int, old, v V) (swapped bool, err error) {
	return a.compareAndSwap(ctx, i, old, v)
}

// All iterates over the elements. See List.All.
func (a *Array[V]) All(ctx context.Context) iter.Seq2[V, error] { return a.all(ctx) }
