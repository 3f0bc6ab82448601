package semaphore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// A Cond is a condition variable: a place where goroutines of several processes
// wait, with a lock that they give up meanwhile, until somebody signals that what
// the lock protects has changed.
//
//	if err := m.Lock(); err != nil {
//		return err
//	}
//	for !ready() {
//		if err := c.Wait(m); err != nil {
//			return err // Wait says whether m is held
//		}
//	}
//	...
//	m.Unlock()
//
// The zero value is ready. A Cond occupies 8320 bytes and must be aligned to 8;
// it must not be copied, and its memory must be writable. Up to 64 processes may
// wait on it, with up to 65535 goroutines each. Those that wait at the same
// time must all use the same lock: a Mutex, or a RecursiveMutex with one Holder
// each; the Cond does not belong to it otherwise.
//
// A call to Signal or Broadcast synchronizes before the return of every Wait that
// it ends.
//
// # Who is woken
//
// Signal ends the wait of one goroutine, and Broadcast of all, that wait when it
// is called: nobody who comes later can take the signal away. The processes
// take turns, and in a process whoever has waited longest is woken. Whether the
// signaller holds the lock does not matter, except that signals sent while it is
// held come in the order in which the lock was held. A signal for which
// nobody waits is forgotten. Neither call ever waits for another process.
//
// While no process dies or garbage is written, each Signal ends exactly as many
// waits as it says, and no wait ends without one. Otherwise a wait may end for
// no reason, so what is waited for must always be checked again, as above or
// with WaitFor.
//
// # Death
//
// A process may be killed at any instruction. Waiters that die are forgotten. If
// one dies after it was given a signal, and before its Wait has locked m again,
// all who wait then are woken, within about 100 ms. If the lock's holder dies,
// and nobody repairs the lock at once, all who wait are woken as well, to hear
// that its owner died. A process that is stopped keeps the signals that it was
// given, and the lock if it holds it, and otherwise blocks nobody.
//
// # Source
//
// A grant that names the waiter, so that no later one can take it, is what
// Birrell asks for in "Implementing Condition Variables with Semaphores" (2003);
// glibc (nptl/pthread_cond_wait.c) has groups of waiters for it and must wait for
// the old group. That the grants of the dead are found again is this package's.
//
// Python's Condition owns its lock, an RLock by default, and insists that the
// caller of notify holds it. Here the lock is named in Wait, and may be either
// kind; notify(n) is n calls of Signal. What a SIGINT does to Python's wait, the
// end of a context does here.
type Cond struct{ cond condState }

// Wait unlocks m, waits for a signal, and locks m again. m must be held, and of
// a recursive one all levels are given up and come back.
//
// After an error that wraps ErrRelock, m is NOT held: the wait has ended, and
// locking m again has failed with the error that is wrapped too, for instance
// ErrOwnerDied. After any other error m is as it was before: ErrNotHeld, it was
// not held; ErrTooManyProcesses; ErrOverflow, too many goroutines; ErrInvalid,
// c is not aligned, or others in this process wait with another lock; ErrClosed,
// or a failure of the system.
//
// If c's memory goes away while Wait reads it, and the program lets that panic
// (debug.SetPanicOnFault), m is locked again while it panics.
func (c *Cond) Wait(m CondLocker) error { return c.WaitContext(context.Background(), m) }

// WaitContext is Wait that gives up with the context's error when ctx ends. Then
// too m is locked again, however long that takes: ctx bounds the wait for the
// signal and not for m. Whoever gives up has taken no signal. If the signal and the
// end of ctx come together, either may decide, but a wait that ends with nil has
// been given a signal.
func (c *Cond) WaitContext(ctx context.Context, m CondLocker) error {
	if !m.held() {
		return fmt.Errorf("wait: %w", ErrNotHeld)
	}
	l, e, err := c.begin(m)
	if err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	crashpoint.Hit("cond.opened")
	levels, err := m.release()
	if err != nil { // somebody has overwritten the lock
		signalled := !l.withdraw(e)
		l.end(e, signalled)
		if signalled {
			c.Signal() // it is another's
		}
		return fmt.Errorf("wait: %w", err)
	}
	crashpoint.Hit("cond.released")
	awaited := false
	defer func() {
		if !awaited { // a fault in c's memory, which this program lets panic
			l.drop(e)
			l.end(e, false)
			_ = m.restore(levels) // it holds m in its deferred calls, if anybody can
		}
	}()
	ended := l.await(ctx, e)
	awaited = true
	crashpoint.Hit("cond.locking")
	err = m.restore(levels)
	crashpoint.Hit("cond.locked")
	l.end(e, ended == nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRelock, err)
	}
	return ended
}

// WaitFor waits until pred, which is called with m held, returns true. When ctx
// ends it asks pred once more, and returns the context's error if that is false.
// Errors, and whether m is held after them, are those of WaitContext. It is
//
//	for !pred() {
//		err := c.WaitContext(ctx, m)
//		...
//	}
func (c *Cond) WaitFor(ctx context.Context, m CondLocker, pred func() bool) error {
	if !m.held() {
		return fmt.Errorf("wait: %w", ErrNotHeld)
	}
	for !pred() {
		err := c.WaitContext(ctx, m)
		if err == nil {
			continue
		}
		ended := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
		if ended && !errors.Is(err, ErrRelock) && pred() {
			return nil
		}
		return err
	}
	return nil
}

// String says how many goroutines wait for a signal, in which processes.
func (c *Cond) String() string {
	waiting := 0
	var where []string
	for i := range c.count() {
		s := &c.cond.seats[i]
		pid, held := s.cell.OwnerPID()
		if n := condOpen(s.word.Load()); held && n > 0 {
			waiting += n
			where = append(where, fmt.Sprintf("%d in pid %d", n, pid))
		}
	}
	if waiting == 0 {
		return "Cond(nobody waits)"
	}
	return fmt.Sprintf("Cond(%d waiting: %s)", waiting, strings.Join(where, ", "))
}
