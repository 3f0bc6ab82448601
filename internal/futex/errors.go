package futex

import (
	"errors"
	"fmt"
	"os"
)

// ErrFault says that the memory of a word is not there any more, not writable
// where a wake must write, or not aligned.
var ErrFault = errors.New("futex: word is not in accessible memory")

// errEvicted says that this process is about to close the memory, which is still
// there: who slept can undo what it has announced.
var errEvicted = fmt.Errorf("futex: sleep in memory that is being closed: %w", os.ErrClosed)

// errClosed is ErrFault where it is this process that has closed the memory.
var errClosed = fmt.Errorf("%w: %w", ErrFault, os.ErrClosed)
