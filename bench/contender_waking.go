package main

import (
	"context"

	"github.com/shmkit/shmkit/semaphore"
)

// waking is a contender of two sides that wake each other over a T. Both get
// a function that does n rounds; side b does them until it is killed.
type waking[T any] struct {
	name string
	init func(item *T) error // nil: zero is ready
	a, b func(item *T) func(n int) error
}

func (k waking[T]) pair() *pair {
	return &pair{
		name: k.name,
		link: func(o *order) (*link, error) { return linkBoard(o, k.init) },
		a: func(o *order) (*outcome, error) {
			b, err := openBoard[T](o)
			if err != nil {
				return nil, err
			}
			return o.measure(k.a(&b.item))
		},
		b: func(o *order) (*outcome, error) {
			b, err := openBoard[T](o)
			if err != nil {
				return nil, err
			}
			for run := k.b(&b.item); err == nil; {
				err = run(opsPerLook)
			}
			return nil, unlessLeft(err)
		},
	}
}

// eventPair are two events, one a direction.
var eventPair = waking[events]{
	name: "Event",
	a: func(e *events) func(n int) error {
		return func(n int) error {
			for range n {
				e.there.Set()
				if err := await(&e.back); err != nil {
					return err
				}
			}
			return nil
		}
	},
	b: func(e *events) func(n int) error {
		return func(n int) error {
			for range n {
				if err := await(&e.there); err != nil {
					return err
				}
				e.back.Set()
			}
			return nil
		}
	},
}.pair()

type events struct {
	there semaphore.Event
	_     [128]byte
	back  semaphore.Event
}

func await(e *semaphore.Event) error {
	if err := e.Wait(context.Background()); err != nil {
		return err
	}
	e.Clear()
	return nil
}

// handing is a turn that two sides hand to each other.
type handing struct {
	mu   semaphore.Mutex
	_    [128]byte
	cond semaphore.Cond
	_    [128]byte
	turn uint32 // under mu: whose it is
}

// condPair signals when it has unlocked the mutex, or while it holds it, so
// that whoever is woken may find it locked.
func condPair(name string, locked bool) *pair {
	return waking[handing]{
		name: name,
		a: func(h *handing) func(n int) error {
			return func(n int) error {
				for range n {
					if err := h.mu.Lock(); err != nil {
						return err
					}
					h.give(1, locked)
					if err := h.wait(0); err != nil {
						return err
					}
					h.mu.Unlock()
				}
				return nil
			}
		},
		b: func(h *handing) func(n int) error {
			return func(n int) error {
				for range n {
					if err := h.wait(1); err != nil {
						return err
					}
					h.give(0, locked)
				}
				return nil
			}
		},
	}.pair()
}

// give gives the turn away and unlocks the mutex.
func (h *handing) give(to uint32, locked bool) {
	h.turn = to
	if locked {
		h.cond.Signal()
	}
	h.mu.Unlock()
	if !locked {
		h.cond.Signal()
	}
}

// wait locks the mutex and waits for the turn.
func (h *handing) wait(mine uint32) error {
	if err := h.mu.Lock(); err != nil {
		return err
	}
	for h.turn != mine {
		if err := h.cond.Wait(&h.mu); err != nil {
			return err
		}
	}
	return nil
}

// barrierPair meets at a barrier for two.
var barrierPair = waking[semaphore.Barrier]{
	name: "Barrier",
	init: func(b *semaphore.Barrier) error { return b.Init(2) },
	a:    barrierRounds,
	b:    barrierRounds,
}.pair()

func barrierRounds(b *semaphore.Barrier) func(n int) error {
	ctx := context.Background()
	return func(n int) error {
		for range n {
			if _, err := b.Wait(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}
