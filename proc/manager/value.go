package manager

import "context"

// Value is one value in a manager: Python's manager.Value. It is a copy; proxies in it lead
// to the same objects everywhere. Errors are those of Dict. Its methods may be called from
// any goroutine.
type Value[V any] struct{ sequence[V] }

// NewValue makes a value. Errors are those of NewList.
func NewValue[V any](ctx context.Context, m *Manager, v V) (*Value[V], error) {
	x := new(Value[V])
	if err := x.make(ctx, m, valueKind, []V{v}); err != nil {
		return nil, err
	}
	return x, nil
}

// String describes the proxy. It does not ask the manager.
func (x *Value[V]) String() string { return x.describe(valueKind) }

// MarshalBinary lets the value travel. See Manager.MarshalBinary.
func (x *Value[V]) MarshalBinary() ([]byte, error) { return x.leave(valueKind) }

// UnmarshalBinary makes x the value that has arrived.
func (x *Value[V]) UnmarshalBinary(data []byte) error { return x.enter(valueKind, data) }

// Get returns the value.
func (x *Value[V]) Get(ctx context.Context) (V, error) { return x.read(ctx, listGet, 0) }

// Set replaces the value.
func (x *Value[V]) Set(ctx context.Context, v V) error { return x.set(ctx, 0, v) }

// Update replaces the value by what fn makes of it, in one step, and returns that: fn is
// called again if others have changed it meanwhile. If fn returns an error nothing
// changes. A value with proxies cannot be updated (ErrArgument).
func (x *Value[V]) Update(ctx context.Context, fn func(v V) (V, error)) (V, error) {
	return x.update(ctx, 0, fn)
}

// CompareAndSwap replaces the value by v if it is equal to old (see List), and says
// whether it did.
func (x *Value[V]) CompareAndSwap(ctx context.Context, old, v V) (swapped bool, err error) {
	return x.compareAndSwap(ctx, 0, old, v)
}
