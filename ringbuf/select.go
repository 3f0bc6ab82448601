package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/shmkit/shmkit/internal/futex"
)

// Case is one operation that Select may perform: sending a message to a ring or
// channel, or receiving one. The zero Case is never ready, like a nil channel in a
// select statement.
//
// A Case is made anew for each Select, by the goroutine that uses its end. It holds on
// to what it was made with.
type Case struct {
	on    selectable
	verb  verb
	bytes []byte  // what a ring's producer sends
	into  *[]byte // where a ring's consumer puts a message
	value any     // of a channel: the value to send, or where to put the received one
}

type verb uint8

const (
	toSend verb = iota
	toRecv
	toNext
)

// selectable is whatever has cases.
type selectable interface {
	// side returns the end that a case is about.
	side(v verb) *end
	// attempt performs the case. Where that would have to wait it returns errParked, and
	// has done nothing.
	attempt(ctx context.Context, c Case) error
	// sleeper returns how to wait for a case that would have to.
	sleeper(c Case) sleeper
}

// Select performs one of the cases and returns its index. If none is ready it waits
// until one is, or until ctx ends: then the index is -1, and the error the context's.
// It is fair: where several are ready, each may be the one.
//
// A case is ready when the call that it stands for would not wait. So the end of a
// stream, the death of a peer and a closed end are ready too: the error is then that of
// the case's own call (io.EOF, ErrPeerDied, ErrNoConsumer, ErrClosed ...), with its
// index. Of all other cases nothing was sent and nothing taken, though the memory that
// a CaseRecv was given may have been written to, and what a producer of many had
// reserved is given up, as by Send.
//
// An end may be in one case only; a channel may be in one to send and one to receive.
// There may be at most 126 cases besides zero ones. Otherwise Select returns -1 and
// ErrCases. Without any case it waits for the end of ctx. Errors with -1 are also
// ErrTruncated, if the memory of a ring has gone and no case says so.
//
// Until Select returns each of the ends is used by this goroutine. That excludes others
// where one goroutine at a time may use an end; a channel for many may be in several
// Selects. Closing an end from another goroutine makes its case ready, with ErrClosed. What happened before a message was sent
// synchronizes before the return of the Select that received it.
//
// While it waits, it sleeps in one system call on the words of all ends (futex_waitv),
// after it has announced to all that it sleeps, and looked at all once more. It spins
// first if all ends have the strategy Spin or Hybrid. A consumer among many that was
// woken, and does not take because another case was ready, wakes the next.
func Select(ctx context.Context, cases ...Case) (int, error) {
	if err := checkCases(cases); err != nil {
		return -1, err
	}
	start := firstCase(len(cases))
	if i, err := tryCases(ctx, cases, start); i >= 0 || err != nil {
		return i, err
	}
	return newSelection(cases).wait(ctx, start)
}

// TrySelect performs one of the cases that are ready, as Select does. If none is, it
// returns -1 and ErrNotReady instead of waiting.
func TrySelect(cases ...Case) (int, error) {
	if err := checkCases(cases); err != nil {
		return -1, err
	}
	i, err := tryCases(context.Background(), cases, firstCase(len(cases)))
	if i < 0 && err == nil {
		err = ErrNotReady
	}
	return i, err
}

// mostCases leaves room for the word by which goroutines tell each other.
const mostCases = futex.MaxWords - 1

// firstCase is the one that is tried first.
func firstCase(n int) int {
	if n < 2 {
		return 0
	}
	return rand.IntN(n)
}

// errParked is what a call returns instead of waiting, while its end parks.
var errParked = errors.New("ringbuf: would wait")

// tryCases performs the first case that is ready, from start on. The index is -1 if none
// is, with an error if ctx has ended.
func tryCases(ctx context.Context, cases []Case, start int) (int, error) {
	for k := range cases {
		i := start + k
		if i >= len(cases) {
			i -= len(cases)
		}
		c := &cases[i]
		if c.on == nil {
			continue
		}
		err := c.on.attempt(ctx, *c)
		if err == errParked {
			continue
		}
		if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) { // it was taking the role over
			return -1, ctx.Err()
		}
		return i, err
	}
	return -1, nil
}

// checkCases finds what cannot be waited for.
func checkCases(cases []Case) error {
	n := 0
	for i := range cases {
		if cases[i].on == nil {
			continue
		}
		n++
		e := cases[i].on.side(cases[i].verb)
		for k := range i {
			if cases[k].on == nil {
				continue
			}
			if cases[k].on.side(cases[k].verb) == e {
				return fmt.Errorf("%w: cases %d and %d are of one end", ErrCases, k, i)
			}
		}
	}
	if n > mostCases {
		return fmt.Errorf("%w: %d cases of at most %d", ErrCases, n, mostCases)
	}
	return nil
}
