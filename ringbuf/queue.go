package ringbuf

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Queue is a queue of byte messages between processes, for any number of goroutines of
// each: to messages what a Chan with many ends is to values. A process becomes a producer
// at its first Send and a consumer at its first Recv, and stays it until Close. A Queue
// travels to child processes as an argument (package proc).
//
// All methods may be called from any goroutine. The messages of one producer are received
// in the order in which they were sent, those of several producers in any order; where
// several goroutines send, the order is that in which their calls took effect. The sending
// of a message synchronizes before its receiving. Each message is received once; one that
// a consumer was receiving when it died is received by another, or, if it was received
// already, by nobody. What a dead producer has sent stays.
//
// In shared memory a Queue is a Ring with many ends: other processes may open it as one.
type Queue struct {
	ring *Ring
	send queueSender
	recv queueReceiver

	joins sync.RWMutex // held for reading by whoever waits until all is finished
}

// NewQueue makes a queue. A name, and what o says, which may be nil, mean what they mean
// to New, but that the mode is MPMC unless o says MPSC or SPMC. Errors are those of New.
func NewQueue(name string, o *Options) (*Queue, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Mode == SPSC {
		opts.Mode = MPMC
	}
	r, err := New(name, &opts)
	return newQueue(r, err, "make queue")
}

// OpenQueue opens the queue of that name. o may be nil. Errors are those of Open; ErrKind
// also for a ring with one end each.
func OpenQueue(ctx context.Context, name string, o *OpenOptions) (*Queue, error) {
	r, err := Open(ctx, name, o)
	return newQueue(r, err, "open queue")
}

// OpenQueueFile opens the queue in f, a descriptor that came from Queue.File of another
// process. The queue owns f from then on, also after an error.
func OpenQueueFile(f *os.File) (*Queue, error) {
	r, err := OpenFile(f)
	return newQueue(r, err, "open queue")
}

// newQueue makes a queue of r, unless there is an error.
func newQueue(r *Ring, err error, what string) (*Queue, error) {
	q := new(Queue)
	if err == nil {
		err = q.open(r)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return q, nil
}

// open makes q one of r, which it owns.
func (q *Queue) open(r *Ring) error {
	if r.many == nil {
		r.abandon()
		return fmt.Errorf("%w: a ring with one end each", ErrKind)
	}
	q.ring = r
	guarded := shmfile.Truncatable(r.file)
	q.send.init(r.many, r.open, guarded)
	q.recv.init(r.many, r.open, guarded)
	return nil
}

// Name returns the queue's name, "" for an anonymous one.
func (q *Queue) Name() string { return q.ring.name }

// File returns the queue's descriptor, for passing it to a process that this library did
// not start. It belongs to the queue.
func (q *Queue) File() *os.File { return q.ring.file }

// Cap returns how many bytes each producer has room for; see Options.Capacity.
func (q *Queue) Cap() int { return q.ring.Cap() }

// MaxMessage returns the size of the largest message in bytes.
func (q *Queue) MaxMessage() int { return q.ring.MaxMessage() }

// Close gives up this process's roles and unmaps the queue, which lives on while others
// have it open. Calls that wait return ErrClosed. It is idempotent.
func (q *Queue) Close() error {
	// Before the first leaves, so that the other does not take it for the peer's
	// leaving.
	q.send.shut()
	q.recv.shut()
	q.ring.close()
	q.joins.Lock()
	defer q.joins.Unlock()
	q.send.own.close()
	q.recv.own.close()
	if err := q.ring.Close(); err != nil {
		return fmt.Errorf("close queue: %w", err)
	}
	return nil
}

// Unlink removes the queue's name: nobody can open it any more, who has it open keeps it.
// It does nothing for an anonymous queue.
func (q *Queue) Unlink() error { return q.ring.Unlink() }

const kindQueue = "ringbuf.Queue"

// MarshalBinary lets a Queue travel as an argument of package proc. Roles stay.
func (q *Queue) MarshalBinary() ([]byte, error) {
	if q.ring.file == nil { // it had not arrived here either
		return nil, fmt.Errorf("send queue: %w", ErrClosed)
	}
	return handle.Put(handle.Handle{Kind: kindQueue, Name: q.ring.name, File: q.ring.file}, handle.Options{})
}

// UnmarshalBinary opens a Queue that has travelled.
func (q *Queue) UnmarshalBinary(ref []byte) error {
	h, err := arrived(ref, kindQueue)
	if isGone(err) {
		return q.vanish()
	}
	if err != nil {
		return err
	}
	r, err := newRing(h.Name, h.File)
	if err != nil {
		return err
	}
	return q.open(r)
}
