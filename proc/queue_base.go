package proc

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/ringbuf"
)

// queue is what all queues of this package have in common.
type queue[T any] struct {
	ring  *ringbuf.Queue
	pack  packing[T]
	most  int  // MaxItems, 0 for any number
	stays bool // items may be got again

	mu     sync.Mutex
	poll   *os.File // see pollFile
	closed bool
}

// MaxBytes up to smallMaxBytes are memory, which a producer takes when it first puts, more
// are address space.
const (
	smallMaxBytes  = 4 << 20
	mostMaxBytes   = 1 << 30
	defaultMaxItem = 256 << 20 // address space
)

// make makes the queue; ro has what is not among the options.
func (q *queue[T]) make(o *QueueOptions, ro ringbuf.Options) error {
	if o == nil {
		o = new(QueueOptions)
	}
	if o.MaxItems < 0 || o.MaxBytes < 0 || o.MaxBytes > mostMaxBytes {
		return fmt.Errorf("make queue: %w: %d items, %d bytes", ringbuf.ErrSize, o.MaxItems, o.MaxBytes)
	}
	ro.Mode, ro.MaxMessages = ringbuf.MPMC, o.MaxItems
	switch ro.Capacity = o.MaxBytes; {
	case ro.Leases: // where messages do not grow
		ro.Capacity = cmp.Or(o.MaxBytes, smallMaxBytes)
	case o.MaxBytes == 0 || o.MaxBytes > smallMaxBytes:
		ro.Capacity, ro.Grow = cmp.Or(o.MaxBytes, mostMaxBytes), true
	}
	ro.MaxMessage = o.MaxMessage
	ro.Producers, ro.Consumers = o.Producers, o.Consumers
	if !o.FailAlone {
		ro.OnPeerDeath = ringbuf.Wait
	}
	if ro.MaxMessage == 0 {
		ro.MaxMessage = defaultMaxItem
	}
	pack := newPacking[T](o.Codec)
	if pack.codec == ownCodec {
		if err := codec.Travels(reflect.TypeFor[T]()); err != nil {
			return fmt.Errorf("make queue: %w: %w", ErrArgument, err)
		}
	}
	ring, err := ringbuf.NewQueue("", &ro)
	if err != nil {
		return fmt.Errorf("make queue: %w", err)
	}
	q.ring, q.pack, q.most, q.stays = ring, pack, o.MaxItems, ro.Redeliver
	return nil
}

// Put puts v into the queue, waiting for room as long as ctx allows. After an error
// nothing was put, and roles in v are this process's as before: ErrArgument, with the
// reason, when v cannot travel; ErrClosed, also after CloseSend; ringbuf.ErrTooLarge,
// ringbuf.ErrNoSpace, ringbuf.ErrTooManyProcesses, ringbuf.ErrCorrupt, or the context's
// error.
func (q *queue[T]) Put(ctx context.Context, v T) error { return q.put(ctx, v, true) }

// TryPut is Put that returns ErrFull instead of waiting: for room, or behind other
// goroutines that wait for some.
func (q *queue[T]) TryPut(v T) error { return q.put(context.Background(), v, false) }

func (q *queue[T]) put(ctx context.Context, v T, wait bool) error {
	if q.pack.raw {
		return q.send(ctx, bytesOf(&v), wait)
	}
	buf := buffers.Get().(*[]byte)
	msg, p, err := q.pack.pack((*buf)[:0], v, q.stays)
	if err == nil {
		err = q.send(ctx, msg, wait)
	}
	giveBuffer(buf, msg)
	switch {
	case p == nil:
	case err == nil:
		p.published()
	default:
		p.withdraw()
	}
	return err
}

func (q *queue[T]) send(ctx context.Context, b []byte, wait bool) error {
	if wait {
		return q.ring.Send(ctx, b)
	}
	return q.ring.TrySend(b)
}

// tryFetch is how long TryGet waits for shared objects: their sender is another
// process, which answers at once unless it is stopped.
const tryFetch = time.Second

func (q *queue[T]) get(ctx context.Context, wait bool) (v T, err error) {
	if q.pack.raw {
		own := bytesOf(&v)
		b, err := q.recv(ctx, own[:0], wait)
		if err != nil {
			return v, err
		}
		return v, q.pack.unpackRaw(b, &v)
	}
	buf := buffers.Get().(*[]byte)
	b, err := q.recv(ctx, *buf, wait)
	if err == nil {
		var r *receipt
		v, r, err = q.item(ctx, b, wait)
		r.done()
	}
	giveBuffer(buf, b)
	return v, err
}

// item decodes a message. The receipt is that of unpack.
func (q *queue[T]) item(ctx context.Context, msg []byte, wait bool) (v T, r *receipt, err error) {
	if q.pack.raw {
		return v, nil, q.pack.unpackRaw(msg, &v)
	}
	if !wait {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, tryFetch)
		defer cancel()
	}
	return q.pack.unpack(ctx, msg)
}

func (q *queue[T]) recv(ctx context.Context, buf []byte, wait bool) ([]byte, error) {
	if wait {
		return q.ring.Recv(ctx, buf)
	}
	return q.ring.TryRecv(buf)
}

// Len returns how many items are in the queue, 0 after Close. It may be out of date when
// it arrives.
func (q *queue[T]) Len() int { return q.ring.Len() }

// Empty reports whether there is no item in the queue. As Len.
func (q *queue[T]) Empty() bool { return q.Len() == 0 }

// Full reports whether there are as many items in the queue as there may be
// (QueueOptions.MaxItems). As Len.
func (q *queue[T]) Full() bool { return q.most > 0 && q.Len() >= q.most }

// CloseSend ends the queue: whoever gets receives what was put and then io.EOF, whoever
// puts gets ErrClosed, in all processes, for ever. Where it has ended already it does
// nothing and returns nil. ctx bounds the wait for the end of a dying process whose
// place this one takes. Errors: ErrClosed, ringbuf.ErrTooManyProcesses,
// ringbuf.ErrNoSpace, or the context's error.
func (q *queue[T]) CloseSend(ctx context.Context) error { return q.ring.CloseSend(ctx) }

// Close gives the queue up in this process. Calls that wait, and those that come, return
// ErrClosed. What was put stays in the queue, and shared objects in it stay with this
// process, until another one gets it. Closing it again does nothing.
func (q *queue[T]) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	if err := q.ring.Close(); err != nil {
		return err
	}
	q.closed = true
	if q.poll != nil {
		q.poll.Close()
		q.poll = nil
	}
	return nil
}
