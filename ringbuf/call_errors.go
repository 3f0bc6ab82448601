package ringbuf

import (
	"errors"
	"fmt"
)

// ErrNoServer is returned by Call when processes have served the name and none
// does now. The handler has not run for this call, so it may be repeated. If one of
// them was killed or crashed the error is also ErrPeerDied.
//
// ErrPeerDied alone says that the process died which had begun to serve the call:
// the handler may have run, or a part of it.
var ErrNoServer = errors.New("ringbuf: no server")

var errServerDied = fmt.Errorf("%w: %w", ErrNoServer, ErrPeerDied)

// CallError is the error of a Call whose handler returned an error or panicked. Of
// the error only the text arrives, at most 4096 bytes of it.
type CallError struct {
	Text     string
	Panicked bool // the handler panicked, with Text as the value
}

// Error returns the text, for a panic after "panic: ".
func (e *CallError) Error() string {
	if e.Panicked {
		return "panic: " + e.Text
	}
	return e.Text
}

// maxErrorText is how much of an error's text arrives, in bytes.
const maxErrorText = 4096
