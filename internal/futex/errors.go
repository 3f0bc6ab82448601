package futex

import "errors"

// ErrFault says that the memory of a word is not there any more, or not
// writable where a wake must write.
var ErrFault = errors.New("futex: word is not in accessible memory")
