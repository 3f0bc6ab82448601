package main

import (
	"context"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// procLine is a contender of package proc: side a makes what connects it with another
// process, gives that its part T as an argument, and starts it. V is what they send.
type procLine[T, V any] struct {
	name   string
	other  *proc.Func[given[T]]
	make   func(o *order) (mine wire[V], theirs T, err error)
	number func(v *V) *uint64
}

// wire is what one side sends to and receives from.
type wire[V any] struct {
	send    func(ctx context.Context, v V) error
	receive func(ctx context.Context) (V, error)
}

// given is what the other process gets.
type given[T any] struct {
	Part  T
	Trips bool // it answers; otherwise it sends all the time
	CPU   int
}

func newLine[T, V any](name string, make func(o *order) (wire[V], T, error), open func(T) wire[V], number func(v *V) *uint64) procLine[T, V] {
	other := proc.Register(name, func(ctx context.Context, g given[T]) error {
		if err := bind(g.CPU); err != nil {
			return err
		}
		return unlessLeft(serveWire(ctx, open(g.Part), g.Trips, number))
	})
	return procLine[T, V]{name, other, make, number}
}

func serveWire[V any](ctx context.Context, w wire[V], trips bool, number func(v *V) *uint64) error {
	v := filled[V]()
	for {
		if trips {
			var err error
			if v, err = w.receive(ctx); err != nil {
				return err
			}
		} else {
			*number(&v)++
		}
		if err := w.send(ctx, v); err != nil {
			return err
		}
	}
}

func (l procLine[T, V]) pair() *pair {
	return &pair{name: l.name, late: true, a: func(o *order) (*outcome, error) {
		ctx := context.Background()
		w, theirs, err := l.make(o)
		if err != nil {
			return nil, err
		}
		trips := o.Job == jobLatency
		if _, err := l.other.Start(ctx, given[T]{theirs, trips, o.Other}, &proc.Options{Daemon: true}); err != nil {
			return nil, err
		}
		if err := bind(o.CPU); err != nil {
			return nil, err
		}
		last, v := uint64(0), filled[V]()
		return o.measure(func(n int) error {
			for range n {
				last++
				if trips {
					*l.number(&v) = last
					if err := w.send(ctx, v); err != nil {
						return err
					}
				}
				got, err := w.receive(ctx)
				if err != nil {
					return err
				}
				if *l.number(&got) != last {
					return wrongNumber(*l.number(&got), last)
				}
			}
			return nil
		})
	}}
}

// two are the ways between the sides.
type two[L any] struct{ Forth, Back L }

// lineOfQueue is two Queues, which hold so many bytes of each producer, 0 for any number.
func lineOfQueue[V any](name string, bytes int) procLine[two[*proc.Queue[V]], V] {
	wired := func(out, in *proc.Queue[V]) wire[V] { return wire[V]{out.Put, in.Get} }
	return newLine(name, func(*order) (w wire[V], t two[*proc.Queue[V]], err error) {
		if t.Forth, err = proc.NewQueue[V](&proc.QueueOptions{MaxBytes: bytes}); err != nil {
			return w, t, err
		}
		t.Back, err = proc.NewQueue[V](&proc.QueueOptions{MaxBytes: bytes})
		return wired(t.Forth, t.Back), t, err
	}, func(t two[*proc.Queue[V]]) wire[V] { return wired(t.Back, t.Forth) }, numberIn[V])
}

// lineOfJoinable is a JoinableQueue from the other process, of whose items each is finished
// when it has arrived.
func lineOfJoinable[V any](name string) procLine[*proc.JoinableQueue[V], V] {
	return newLine(name, func(*order) (w wire[V], q *proc.JoinableQueue[V], err error) {
		q, err = proc.NewJoinableQueue[V](nil)
		return wire[V]{receive: func(ctx context.Context) (V, error) {
			v, err := q.Get(ctx)
			if err == nil {
				err = q.TaskDone()
			}
			return v, err
		}}, q, err
	}, func(q *proc.JoinableQueue[V]) wire[V] { return wire[V]{send: q.Put} }, numberIn[V])
}

// lineOfChan is two Chans for as many ends as a Queue.
func lineOfChan[V any](name string) procLine[two[*ringbuf.Chan[V]], V] {
	wired := func(out, in *ringbuf.Chan[V]) wire[V] { return wire[V]{out.Send, in.Recv} }
	return newLine(name, func(*order) (w wire[V], t two[*ringbuf.Chan[V]], err error) {
		o := &ringbuf.Options{Mode: ringbuf.MPMC}
		if t.Forth, err = ringbuf.NewChan[V]("", ringSlots, o); err != nil {
			return w, t, err
		}
		t.Back, err = ringbuf.NewChan[V]("", ringSlots, o)
		return wired(t.Forth, t.Back), t, err
	}, func(t two[*ringbuf.Chan[V]]) wire[V] { return wired(t.Back, t.Forth) }, numberIn[V])
}

// lineOfConn is a Pipe.
func lineOfConn[V any](name string, send func(*proc.Conn, context.Context, V) error, receive func(*proc.Conn, context.Context) (V, error)) procLine[*proc.Conn, V] {
	open := func(c *proc.Conn) wire[V] {
		return wire[V]{
			func(ctx context.Context, v V) error { return send(c, ctx, v) },
			func(ctx context.Context) (V, error) { return receive(c, ctx) },
		}
	}
	return newLine(name, func(*order) (wire[V], *proc.Conn, error) {
		ours, theirs, err := proc.Pipe(nil)
		if err != nil {
			return wire[V]{}, nil, err
		}
		return open(ours), theirs, nil
	}, open, numberIn[V])
}

// task is a small message that is no plain memory.
type task struct {
	Number     uint64
	Name, Text string
}

// filled is a message as it is sent.
func filled[V any]() (v V) {
	if t, ok := any(&v).(*task); ok {
		t.Name, t.Text = "worker-17", "the quick brown fox jumps over it"
	}
	return v
}

func sendTask(c *proc.Conn, ctx context.Context, t task) error { return c.Send(ctx, t) }

func receiveTask(c *proc.Conn, ctx context.Context) (t task, err error) {
	err = c.Recv(ctx, &t)
	return t, err
}

func sendBytes(c *proc.Conn, ctx context.Context, v word64) error {
	return c.SendBytes(ctx, bytesOf(&v))
}

func receiveBytes(c *proc.Conn, ctx context.Context) (v word64, err error) {
	_, err = c.RecvInto(ctx, bytesOf(&v))
	return v, err
}
