package proc

import "errors"

// ErrNotWaitable is returned by Wait for an argument that is none of those that it
// describes, or nil.
var ErrNotWaitable = errors.New("cannot be waited for")
