package handle

import "errors"

var (
	// ErrNotTravelling is returned when a shared object is marshalled or
	// unmarshalled outside of Encode and Decode: its descriptor would be left
	// behind.
	ErrNotTravelling = errors.New("handle is not travelling: it can be sent as an argument of a process, not through another codec")

	// ErrReference is returned for a reference that names no handle of the
	// message it arrived in.
	ErrReference = errors.New("reference to a handle that did not arrive")

	// ErrGone is returned for a handle that its sender did not keep open until it
	// arrived, because the sender has ended.
	ErrGone = errors.New("shared object is gone: the process that sent it has ended")
)
