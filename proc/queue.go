package proc

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/shmkit/shmkit/ringbuf"
)

// Queue is a queue of items of type T that any number of processes put into and get
// from: Python's multiprocessing.Queue, in shared memory, without its feeder thread and
// its locks. All methods may be called from many goroutines.
//
// Each item is got once. The items of one process are got in the order in which its
// Puts were called one after the other; those of several in any order. A Put
// synchronizes before the Get that returns its item.
//
// Items. A T without pointers travels as its own bytes. Every other is encoded, by Put
// itself, by the rules of encoding/json in CBOR or by QueueOptions.Codec; so what
// cannot travel is Put's error. Shared objects in an item, at any depth, lead to the
// same memory in the process that gets it. This process keeps their descriptors until
// then: if it ends before, the item arrives with those objects closed, together with
// ErrHandleGone. A role (a ringbuf.Producer, a Conn) moves to the process that gets it,
// and falls vacant if that does not take it.
//
// Who has the queue. It travels in arguments and in items, and stays here as well. It
// lives as long as any process has it, with what is in it, whoever has made it. There
// may be QueueOptions.Producers processes that put and Consumers that get; a process
// becomes one by its first Put, or Get, and stays it until Close.
//
// The end. CloseSend says that nothing further will come: whoever puts gets ErrClosed,
// whoever gets receives what is left and then io.EOF. Without it a Get waits for
// whoever may put, also when there is nobody at present.
//
// Death. A process may be killed at any instant. Everything that it has put can be got,
// and what it was putting was either put or was not. An item that it was getting is got
// by another process, or lost with it (a JoinableQueue can tell, and give it to
// another). Nobody waits for the dead.
type Queue[T any] struct{ queue[T] }

// QueueOptions of NewQueue. nil and zero fields mean the defaults.
type QueueOptions struct {
	// MaxItems is how many items there may be at a time, of all processes together;
	// Put waits for room. Default: any number.
	MaxItems int
	// MaxBytes is how many bytes of items one process may have put that nobody has got
	// yet; Put waits for room. An item takes 8 bytes more than its size, which is
	// rounded up to 8. Default and most is 1 GiB. Up to 4 MiB are memory, which a process
	// takes when it first puts; more is address space: memory is taken when items are
	// put, and given back when they are got, which costs about as much as a copy. (Items
	// of a JoinableQueue keep theirs until they are finished; see there.)
	MaxBytes int
	// MaxMessage is the size of the largest item in bytes, default 256 MiB. Items over
	// 32 KiB, or over 1 KiB with a MaxBytes of up to 4 MiB, have memory of their own, for
	// as long as they are in the queue.
	MaxMessage int
	// Producers and Consumers are how many processes may put, and get, at a time:
	// default 64, at most 256.
	Producers, Consumers int
	// FailAlone makes those who wait fail when nobody is left to wait for: a Get with
	// io.EOF when the last process that has put has closed the queue, or ended, and
	// with ringbuf.ErrPeerDied when it died; a Put with ringbuf.ErrNoConsumer. Default
	// is to wait for the next process.
	FailAlone bool
	// Codec encodes the items, also those without pointers. Default is CBOR.
	Codec *Codec
}

// NewQueue makes a queue. o may be nil. Errors: ErrArgument when part of every T is sure to
// be lost on the way, such as an os.File; ringbuf.ErrSize, ErrOption and ErrNoSpace,
// errors.ErrUnsupported.
func NewQueue[T any](o *QueueOptions) (*Queue[T], error) {
	q := new(Queue[T])
	if err := q.make(o, ringbuf.Options{}); err != nil {
		return nil, err
	}
	return q, nil
}

// Get returns the next item, waiting for one as long as ctx allows, which bounds the
// whole call. The error is io.EOF when the queue was ended and there is no further item;
// ErrHandleGone, together with the item, when shared objects in it could not be had, and
// then also ctx's error if it was ctx that ended the wait for them; ErrItem when
// there was one that cannot be decoded; ErrClosed, ringbuf.ErrTooManyProcesses,
// ringbuf.ErrCorrupt, or the context's error.
func (q *Queue[T]) Get(ctx context.Context) (T, error) { return q.get(ctx, true) }

// TryGet is Get that returns ErrEmpty instead of waiting for an item, or behind other
// goroutines that wait for one. For shared objects in it, it waits a second at most.
func (q *Queue[T]) TryGet() (T, error) { return q.get(context.Background(), false) }

// All returns the items until the queue's end. The errors of single items, ErrHandleGone
// and ErrItem, are yielded and the next items follow; any other is the last thing
// yielded; the end of the queue is none.
func (q *Queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return allOf(func() (T, error) { return q.Get(ctx) })
}

func allOf[T any](get func() (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := get()
			switch {
			case err == io.EOF:
				return
			case !yield(v, err):
				return
			case err != nil && !ofOneItem(err):
				return
			}
		}
	}
}

// ofOneItem says whether an error of Get concerns one item.
func ofOneItem(err error) bool { return errors.Is(err, ErrHandleGone) || errors.Is(err, ErrItem) }
