package futex

import "errors"

// ErrFault says that the memory of a word is not there any more, not writable
// where a wake must write, or not aligned.
var ErrFault = errors.New("futex: word is not in accessible memory")
