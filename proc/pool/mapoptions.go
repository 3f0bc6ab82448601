package pool

import (
	"fmt"
	"time"
)

// MapOptions of Map, Imap and ImapUnordered. nil and zero fields mean the defaults.
type MapOptions struct {
	// Chunk is how many tasks go to a worker in one message. 0 is automatic: one at
	// first, and then as many as last for some 300 µs. Results come with their message, so
	// a large Chunk of slow tasks makes them late.
	Chunk int

	// Window is how many tasks Imap takes from its input before their results were taken
	// from it. 0 is 128 messages for each worker, or 64 MiB of arguments.
	Window int

	// Err is called when the input has ended, if it is not nil: an error says that it
	// ended too early, and is returned when all tasks that came before have ended, as it
	// is. (A sequence cannot have an error itself.)
	Err func() error

	// StopOnError drops what has not begun when a task has failed, and cancels what has.
	// By default all are run.
	StopOnError bool

	// Progress is called by the goroutine that called Map, or that takes results from
	// Imap, when tasks have ended, at most once in Every, by default 100 ms, and a last time
	// when all have.
	Progress func(Progress)
	Every    time.Duration

	// Total is for Progress: how many tasks there will be, 0 if nobody knows.
	Total int
}

// An ItemError says which input's task failed.
type ItemError struct {
	Index int // from 0
	Err   error
}

// Error says which and why.
func (e *ItemError) Error() string { return fmt.Sprintf("pool: item %d: %v", e.Index, e.Err) }

// Unwrap returns why.
func (e *ItemError) Unwrap() error { return e.Err }
