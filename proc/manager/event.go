package manager

import (
	"context"
	"runtime"
)

// Event is a flag in a manager that processes set and clear, and for which they wait:
// Python's manager.Event. Whoever the manager knows to wait when it is set goes on, even if
// it is cleared again at once. Nobody owns it: a process that ends leaves it as it is.
//
// All methods return ErrManagerGone at once if the manager has ended, ErrClosed after Close,
// and the context's error; with that, Set and Clear may have taken effect or not.
type Event struct{ proxy }

// NewEvent makes an event that is not set. The process has it until Close, or until the
// proxy cannot be reached any more. Errors are also ErrTooManyObjects.
func NewEvent(ctx context.Context, m *Manager) (*Event, error) {
	e := new(Event)
	if err := m.create(ctx, &e.proxy, eventKind, nil); err != nil {
		return nil, err
	}
	return e, nil
}

// String describes the proxy. It does not ask the manager.
func (e *Event) String() string { return e.describe(eventKind) }

// MarshalBinary lets the event travel. See Manager.MarshalBinary.
func (e *Event) MarshalBinary() ([]byte, error) { return e.leave(eventKind) }

// UnmarshalBinary makes e the event that has arrived.
func (e *Event) UnmarshalBinary(data []byte) error { return e.enter(eventKind, data) }

// Set sets the event, and lets everybody go on who waits for it. If it is set it does
// nothing.
func (e *Event) Set(ctx context.Context) error { return e.ask(ctx, eventSet, false) }

// Clear clears the event. If it is clear it does nothing.
func (e *Event) Clear(ctx context.Context) error { return e.ask(ctx, eventClear, false) }

// IsSet says whether the event is set.
func (e *Event) IsSet(ctx context.Context) (bool, error) {
	t, err := e.begin(eventIsSet)
	if err != nil {
		return false, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	runtime.KeepAlive(e)
	return err == nil && r.flag(), err
}

// Wait waits until the event is set. It returns at once if it is.
func (e *Event) Wait(ctx context.Context) error { return e.ask(ctx, eventWait, true) }
