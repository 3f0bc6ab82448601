package shm

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/shmkit/shmkit/internal/shmfile"
)

// Scope is a set of objects that go together: Close closes all of them and removes the
// names of those that were made in it. It does the work of Python's
// SharedMemoryManager without a process for it: if this one is killed, the names are
// removed by whoever uses an object last, by Sweep, or by whoever wants the name.
//
// Constructors put what they make into Options.Scope; Add takes anything else. All
// methods may be called from any goroutine.
type Scope struct {
	mu      sync.Mutex
	closed  bool
	members []scoped
}

// scoped is a member. withdraw removes its name, and does nothing if it has none.
type scoped struct{ withdraw, close func() error }

// NewScope returns an empty scope.
func NewScope() *Scope { return new(Scope) }

// Add puts x into the scope, which will call its Unlink, if it has such a method, and
// its Close. An ErrNotExist of Unlink is no error. If the scope is closed already,
// Add returns ErrClosed and x stays the caller's.
func (s *Scope) Add(x interface{ Close() error }) error {
	m := scoped{withdraw: func() error { return nil }, close: x.Close}
	if u, ok := x.(interface{ Unlink() error }); ok {
		m.withdraw = u.Unlink
	}
	return s.add(m)
}

func (s *Scope) add(m scoped) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errScope
	}
	s.members = append(s.members, m)
	return nil
}

var errScope = fmt.Errorf("scope: %w", ErrClosed)

// Close removes all names and closes all members, the last one first. What cannot be
// closed, because a lock in it is held (ErrBusy), has lost its name, is part of the
// error, and stays in the scope: Close can be called again. After the first call
// nothing can be put into the scope: that is ErrClosed.
func (s *Scope) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var all error
	var left []scoped
	for _, m := range slices.Backward(s.members) {
		if err := m.withdraw(); err != nil && !errors.Is(err, ErrNotExist) {
			all = errors.Join(all, err)
		}
		if err := m.close(); err != nil {
			all = errors.Join(all, err)
			left = append(left, scoped{withdraw: func() error { return nil }, close: m.close})
		}
	}
	slices.Reverse(left)
	s.members = left
	return all
}

// check says whether something can be made in the scope. There may be none.
func (s *Scope) check() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errScope
	}
	return nil
}

// owner returns the rule of what is made in the scope.
func (s *Scope) owner(o Owner) Owner {
	if s == nil {
		return o
	}
	return OwnerCreator
}

// admit puts what was made into the scope, or closes it.
func (s *Scope) admit(a *attachment) error {
	if s == nil {
		return nil
	}
	err := s.add(scoped{withdraw: a.withdraw, close: a.Close})
	if err != nil {
		return errors.Join(err, a.Close())
	}
	return nil
}

// withdraw removes the name if its going is up to this handle.
func (a *attachment) withdraw() error {
	a.closing.Lock()
	defer a.closing.Unlock()
	if !a.open.Load() {
		return nil // Close has done it
	}
	return shmfile.Withdraw(a.file)
}
