package manager

import (
	"context"
	"iter"
	"runtime"
)

// Set is a set in a manager, which any number of processes share: Python 3.14's
// manager.set. Its methods may be called from any goroutine; each takes effect at one
// instant, for all processes in the same order.
//
// Elements are equal as keys of a Dict are, and come in the order in which they were added.
// Proxies cannot be elements (ErrArgument). Methods that take operands work in the
// manager: they get sets of it as they are just before, each at an instant of its own. A
// set of another manager is fetched.
//
// Errors are those of Dict.
type Set[K comparable] struct{ table[K, none] }

type none = struct{}

// Operand is what a Set is combined or compared with: a *Set, or Elements.
type Operand[K comparable] interface {
	// operand writes it to a request.
	operand(ctx context.Context, t *trip) error
}

// Elements are an operand of which the elements are here. They may be there twice, and in
// any order.
type Elements[K comparable] []K

func (e Elements[K]) operand(_ context.Context, t *trip) error {
	t.flag(false)
	return putKeys(t, e)
}

func putKeys[K any](t *trip, keys []K) error {
	t.number(uint64(len(keys)))
	for _, k := range keys {
		data, err := key(k)
		if err != nil {
			return err
		}
		t.bytes(data)
	}
	return nil
}

func (s *Set[K]) operand(ctx context.Context, t *trip) error {
	r, err := s.use()
	if err != nil {
		return err
	}
	if r.c == t.c {
		t.flag(true)
		t.number(r.id)
		return nil
	}
	keys, err := s.Elements(ctx)
	if err != nil {
		return err
	}
	return Elements[K](keys).operand(ctx, t)
}

// NewSet makes a set of elements, of which several may be equal. The process has it until
// Close, or until the proxy cannot be reached any more. Errors are also ErrTooManyObjects.
func NewSet[K comparable](ctx context.Context, m *Manager, keys ...K) (*Set[K], error) {
	s := new(Set[K])
	err := m.create(ctx, &s.proxy, setKind, func(t *trip) (func(), error) { return nothing, putKeys(t, keys) })
	if err != nil {
		return nil, err
	}
	return s, nil
}

// String describes the proxy. It does not ask the manager.
func (s *Set[K]) String() string { return s.describe(setKind) }

// MarshalBinary lets the set travel. See Manager.MarshalBinary.
func (s *Set[K]) MarshalBinary() ([]byte, error) { return s.leave(setKind) }

// UnmarshalBinary makes s the set that has arrived.
func (s *Set[K]) UnmarshalBinary(data []byte) error { return s.enter(setKind, data) }

// Add adds an element, and says whether it was not there.
func (s *Set[K]) Add(ctx context.Context, k K) (added bool, err error) {
	return s.write(ctx, dictAdd, k, none{})
}

// Remove removes an element. ErrKey: it is not there.
func (s *Set[K]) Remove(ctx context.Context, k K) error { return s.remove(ctx, k) }

// Discard removes an element, and says whether it was there.
func (s *Set[K]) Discard(ctx context.Context, k K) (removed bool, err error) {
	err = s.remove(ctx, k)
	if isErr(err, ErrKey) {
		return false, nil
	}
	return err == nil, err
}

// Pop removes the element that came last, and returns it. ErrKey: there is none.
func (s *Set[K]) Pop(ctx context.Context) (K, error) {
	k, _, err := s.popItem(ctx)
	return k, err
}

// Contains says whether an element is there.
func (s *Set[K]) Contains(ctx context.Context, k K) (bool, error) {
	return s.test(ctx, dictContains, k)
}

// Len returns how many elements there are.
func (s *Set[K]) Len(ctx context.Context) (int, error) { return s.length(ctx) }

// Clear removes all elements.
func (s *Set[K]) Clear(ctx context.Context) error { return s.ask(ctx, dictClear, false) }

// Elements returns the elements, as they were at one instant.
func (s *Set[K]) Elements(ctx context.Context) ([]K, error) { return s.keys(ctx) }

// All iterates over the elements. If some come or go before the last has been looked at it
// ends with ErrChanged, as Dict.All. An error is yielded last.
func (s *Set[K]) All(ctx context.Context) iter.Seq2[K, error] {
	return func(yield func(K, error) bool) {
		for i, err := range s.all(ctx, dictKeys) {
			if !yield(i.Key, err) {
				return
			}
		}
	}
}

// with begins an operation with operands, and returns the reply.
func (s *Set[K]) with(ctx context.Context, o op, others []Operand[K]) (*trip, reader, error) {
	t, err := s.begin(o)
	if err != nil {
		return nil, reader{}, err
	}
	t.number(uint64(len(others)))
	for _, other := range others {
		if err := other.operand(ctx, t); err != nil {
			t.end()
			return nil, reader{}, err
		}
	}
	r, err := t.call(ctx, false)
	runtime.KeepAlive(s)
	runtime.KeepAlive(others)
	if err != nil {
		t.end()
		return nil, reader{}, err
	}
	return t, r, nil
}

// combined does an operation of which the reply is keys.
func (s *Set[K]) combined(ctx context.Context, o op, others ...Operand[K]) ([]K, error) {
	t, r, err := s.with(ctx, o, others)
	if err != nil {
		return nil, err
	}
	defer t.end()
	keys := make([]K, r.count())
	for i := range keys {
		if err := getKey(r.bytes(), &keys[i]); err != nil {
			return nil, err
		}
	}
	if !r.done() {
		return nil, ErrProtocol
	}
	return keys, nil
}

// change does an operation of which the reply is empty.
func (s *Set[K]) change(ctx context.Context, o op, others ...Operand[K]) error {
	t, _, err := s.with(ctx, o, others)
	if err == nil {
		t.end()
	}
	return err
}

// compare does an operation of which the reply is a flag.
func (s *Set[K]) compare(ctx context.Context, o op, other Operand[K]) (bool, error) {
	t, r, err := s.with(ctx, o, []Operand[K]{other})
	if err != nil {
		return false, err
	}
	defer t.end()
	return r.flag(), nil
}

// Union returns what is in the set or in any of the others.
func (s *Set[K]) Union(ctx context.Context, others ...Operand[K]) ([]K, error) {
	return s.combined(ctx, setUnion, others...)
}

// Intersection returns what is in the set and in all others.
func (s *Set[K]) Intersection(ctx context.Context, others ...Operand[K]) ([]K, error) {
	return s.combined(ctx, setIntersection, others...)
}

// Difference returns what is in the set and in none of the others.
func (s *Set[K]) Difference(ctx context.Context, others ...Operand[K]) ([]K, error) {
	return s.combined(ctx, setDifference, others...)
}

// SymmetricDifference returns what is in one of both only.
func (s *Set[K]) SymmetricDifference(ctx context.Context, other Operand[K]) ([]K, error) {
	return s.combined(ctx, setSymmetric, other)
}

// UnionWith adds what the others have. (Python's update and |=.)
func (s *Set[K]) UnionWith(ctx context.Context, others ...Operand[K]) error {
	return s.change(ctx, setAddAll, others...)
}

// IntersectWith removes what one of the others does not have. (Python's
// intersection_update and &=.)
func (s *Set[K]) IntersectWith(ctx context.Context, others ...Operand[K]) error {
	return s.change(ctx, setKeep, others...)
}

// DifferenceWith removes what the others have. (Python's difference_update and -=.)
func (s *Set[K]) DifferenceWith(ctx context.Context, others ...Operand[K]) error {
	return s.change(ctx, setRemoveAll, others...)
}

// SymmetricDifferenceWith removes what the other has as well, and adds the rest of it.
// (Python's symmetric_difference_update and ^=.)
func (s *Set[K]) SymmetricDifferenceWith(ctx context.Context, other Operand[K]) error {
	return s.change(ctx, setToggle, other)
}

// IsSubset says whether the other has all elements of the set. (Python's <=.)
func (s *Set[K]) IsSubset(ctx context.Context, other Operand[K]) (bool, error) {
	return s.compare(ctx, setIsSubset, other)
}

// IsSuperset says whether the set has all elements of the other. (Python's >=.)
func (s *Set[K]) IsSuperset(ctx context.Context, other Operand[K]) (bool, error) {
	return s.compare(ctx, setIsSuperset, other)
}

// IsDisjoint says whether they have no element in common.
func (s *Set[K]) IsDisjoint(ctx context.Context, other Operand[K]) (bool, error) {
	return s.compare(ctx, setIsDisjoint, other)
}

// Equal says whether both have the same elements.
func (s *Set[K]) Equal(ctx context.Context, other Operand[K]) (bool, error) {
	return s.compare(ctx, setEqual, other)
}
