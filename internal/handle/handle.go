package handle

import (
	"bytes"
	"os"
)

// A Handle is what another process needs to use a shared object.
type Handle struct {
	// Kind says which type of object this is, in the words of the package that
	// made it, such as "ringbuf.Producer". The receiver compares it.
	Kind string
	// Name is the object's name, "" for an anonymous one.
	Name string
	// Meta is what else the receiver needs; small, and hostile to the receiver.
	Meta []byte
	// File is the object's descriptor, nil for what travels by name only.
	//
	// The sender lends it: it must stay open until Sent or Failed. A handle
	// from Get owns its File.
	File *os.File

	hooks Options
	gone  bool // see Table.Gone
}

// Options are how the sender's side learns what becomes of a handle. Each hook
// may be nil. They are called once for a handle, in the order Sent, Arrived, Exited, or
// Failed alone.
type Options struct {
	// Sent is called once the handle has been given to the process pid, which
	// may be gone already; 0 is whoever gets it out of a queue. A role that moves with the handle belongs to that
	// process from now on.
	Sent func(pid int)
	// Failed is called instead when the handle will never arrive: the role
	// stays with the sender.
	Failed func()
	// Arrived is called after Sent, once the receiver has decoded the message, and what
	// it had to do for that (Afterwards), or has ended. It may be called twice.
	Arrived func()
	// Exited is called after Sent, once the receiver has taken over what it wanted of
	// the message, or has ended and the kernel has let go of all it had. A role that
	// it never attached falls vacant now.
	Exited func()
}

// Sent tells the sender's side that the process pid has the handle.
func (h Handle) Sent(pid int) {
	if h.hooks.Sent != nil {
		h.hooks.Sent(pid)
	}
}

// Failed tells the sender's side that nobody will get the handle.
func (h Handle) Failed() {
	if h.hooks.Failed != nil {
		h.hooks.Failed()
	}
}

// Arrived tells the sender's side that the receiver has decoded the message.
func (h Handle) Arrived() {
	if h.hooks.Arrived != nil {
		h.hooks.Arrived()
	}
}

// Exited tells the sender's side that the receiver has ended.
func (h Handle) Exited() {
	h.Arrived()
	if h.hooks.Exited != nil {
		h.hooks.Exited()
	}
}

// Watches reports whether anybody on the sender's side waits for Arrived or Exited.
func (h Handle) Watches() bool { return h.hooks.Exited != nil || h.hooks.Arrived != nil }

// same reports whether two handles lead to the same object.
func (h Handle) same(o Handle) bool {
	return h.Kind == o.Kind && h.Name == o.Name && h.File == o.File && bytes.Equal(h.Meta, o.Meta)
}
