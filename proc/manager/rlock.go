package manager

import (
	"context"
	"runtime"
	"sync/atomic"
)

// RLock is a lock in a manager that its holder may acquire again, and must then release as
// often: Python's manager.RLock. A goroutine has no identity to which a lock could belong,
// so the holder is a value of its own, a Holder; and only that can release the lock.
//
// When the process of the holder ends, the next one gets the lock, however often the dead
// one had acquired it. Otherwise it is as a Lock.
type RLock struct{ proxy }

// NewRLock makes a free lock. The process has it until Close, or until the proxy and all its
// holders cannot be reached any more. Errors are also ErrTooManyObjects.
func NewRLock(ctx context.Context, m *Manager) (*RLock, error) {
	l := new(RLock)
	if err := m.create(ctx, &l.proxy, rlockKind, nil); err != nil {
		return nil, err
	}
	return l, nil
}

// String describes the proxy. It does not ask the manager.
func (l *RLock) String() string { return l.describe(rlockKind) }

// MarshalBinary lets the lock travel. See Manager.MarshalBinary.
func (l *RLock) MarshalBinary() ([]byte, error) { return l.leave(rlockKind) }

// UnmarshalBinary makes l the lock that has arrived.
func (l *RLock) UnmarshalBinary(data []byte) error { return l.enter(rlockKind, data) }

// Holder returns a new holder of the lock, which does not hold it yet.
func (l *RLock) Holder() *Holder { return newHolder(&l.proxy) }

// Locked says whether some holder holds the lock.
func (l *RLock) Locked(ctx context.Context) (bool, error) {
	_, locked, err := l.owner(ctx)
	return locked, err
}

// Owner returns the process of the lock's holder, as the manager knows it. It is for people:
// the answer may be out of date when it arrives.
func (l *RLock) Owner(ctx context.Context) (pid int, held bool, err error) { return l.owner(ctx) }

// Holder is who may hold an RLock, or the lock of a Condition. It belongs to one process,
// and cannot travel. Whoever has it holds what it holds: its methods may be called from any
// goroutine, but they do not exclude each other. Two holders do, wherever they are. It needs
// no closing; one that is lost while it holds leaves the lock held for as long as the
// process, or the lock, lives.
type Holder struct {
	p  *proxy
	id uint64
}

var holders atomic.Uint64 // of this process; a number is never used again

func newHolder(p *proxy) *Holder { return &Holder{p, holders.Add(1)} }

// Acquire waits for the lock, or holds it once more. After the context's error it is held
// as often as before.
func (h *Holder) Acquire(ctx context.Context) error { return h.p.lock(ctx, lockAcquire, h.id) }

// TryAcquire is Acquire that returns ErrLocked instead of waiting.
func (h *Holder) TryAcquire(ctx context.Context) error { return h.p.lock(ctx, lockTry, h.id) }

// Release undoes one Acquire; the last one gives the lock to the next. ErrNotHeld: h does
// not hold it. As Lock.Release it is done also when ctx has ended.
func (h *Holder) Release(ctx context.Context) error { return h.p.lock(ctx, lockRelease, h.id) }

// Count returns how often h has to release the lock: 0 if it does not hold it.
func (h *Holder) Count(ctx context.Context) (int, error) {
	t, err := h.p.begin(lockCount)
	if err != nil {
		return 0, err
	}
	defer t.end()
	t.number(h.id)
	r, err := t.call(ctx, false)
	n := int(r.number())
	runtime.KeepAlive(h)
	return n, err
}

func (h *Holder) locker() (*proxy, uint64) { return h.p, h.id }
