package proc

import (
	"context"
	"sync/atomic"
)

// gate lets one goroutine in at a time, like a mutex, but waiting ends with a
// context. It is not fair.
type gate struct {
	held    atomic.Bool
	waiting atomic.Int32
	freed   chan struct{} // of capacity 1: full after an unlock that saw somebody waiting
}

func (g *gate) init() { g.freed = make(chan struct{}, 1) }

func (g *gate) tryLock() bool { return g.held.CompareAndSwap(false, true) }

// lock returns the context's error if that is done before the gate is free.
func (g *gate) lock(ctx context.Context) error {
	if g.tryLock() {
		return nil
	}
	g.waiting.Add(1)
	defer g.waiting.Add(-1)
	for !g.tryLock() { // after waiting was raised: an unlock from now on sees it
		select {
		case <-g.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (g *gate) unlock() {
	g.held.Store(false)
	if g.waiting.Load() > 0 {
		select {
		case g.freed <- struct{}{}:
		default:
		}
	}
}
