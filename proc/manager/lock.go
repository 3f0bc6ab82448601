package manager

import (
	"context"
	"runtime"
)

// Lock is a lock in a manager: Python's manager.Lock. Whoever has a proxy of it may acquire
// it, and may release it, whoever has acquired it. Those who wait get it in the order in
// which they came to the manager.
//
// It is the process's that has acquired it: when that ends, in whatever way, or gives up
// everything that it had of the manager, the next one gets the lock. What the lock protects
// may be half done then.
//
// All methods return ErrManagerGone at once if the manager has ended, ErrClosed after Close,
// and the context's error. Their calls synchronize as those of a sync.Mutex do, with what is
// in the manager and in shared memory.
type Lock struct{ proxy }

// NewLock makes a free lock. The process has it until Close, or until the proxy cannot be
// reached any more. Errors are also ErrTooManyObjects.
func NewLock(ctx context.Context, m *Manager) (*Lock, error) {
	l := new(Lock)
	if err := m.create(ctx, &l.proxy, lockKind, nil); err != nil {
		return nil, err
	}
	return l, nil
}

// String describes the proxy. It does not ask the manager.
func (l *Lock) String() string { return l.describe(lockKind) }

// MarshalBinary lets the lock travel. See Manager.MarshalBinary.
func (l *Lock) MarshalBinary() ([]byte, error) { return l.leave(lockKind) }

// UnmarshalBinary makes l the lock that has arrived.
func (l *Lock) UnmarshalBinary(data []byte) error { return l.enter(lockKind, data) }

// Acquire waits for the lock. After the context's error this call does not hold it.
func (l *Lock) Acquire(ctx context.Context) error { return l.lock(ctx, lockAcquire, 0) }

// TryAcquire is Acquire that returns ErrLocked instead of waiting.
func (l *Lock) TryAcquire(ctx context.Context) error { return l.lock(ctx, lockTry, 0) }

// Release gives the lock to the next one. ErrNotHeld: nobody holds it. It is done also when
// ctx has ended, so that it can be deferred: only a manager that is stopped keeps it waiting.
func (l *Lock) Release(ctx context.Context) error { return l.lock(ctx, lockRelease, 0) }

// Locked says whether somebody holds the lock.
func (l *Lock) Locked(ctx context.Context) (bool, error) {
	_, locked, err := l.owner(ctx)
	return locked, err
}

// Owner returns the process that has acquired the lock, as the manager knows it. It is for
// people: the answer may be out of date when it arrives.
func (l *Lock) Owner(ctx context.Context) (pid int, held bool, err error) { return l.owner(ctx) }

func (l *Lock) locker() (*proxy, uint64) { return &l.proxy, 0 }

// lock does an operation of a lock for a holder.
func (p *proxy) lock(ctx context.Context, o op, holder uint64) error {
	if o == lockRelease {
		ctx = firm(ctx)
	}
	t, err := p.begin(o)
	if err != nil {
		return err
	}
	defer t.end()
	t.number(holder)
	_, err = t.call(ctx, o == lockAcquire)
	runtime.KeepAlive(p)
	return err
}

func (p *proxy) owner(ctx context.Context) (pid int, held bool, err error) {
	t, err := p.begin(lockState)
	if err != nil {
		return 0, false, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	held, pid = r.number() > 0, int(r.number())
	runtime.KeepAlive(p)
	return pid, held && err == nil, err
}
