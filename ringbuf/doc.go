// Package ringbuf has queues of messages between processes: byte rings with
// messages of any length, typed channels, and request and response.
//
// A Ring has one producer and one consumer at a time (SPSC), which is the fastest,
// or many of either (Options.Mode: MPSC, SPMC, MPMC). Messages are written and read
// in place; what is larger than the ring gets memory of its own. A Chan is the same
// for values of one type without pointers. A Queue is a ring for many that any number of
// goroutines of a process may use, without taking roles first. Select waits for several of them at once,
// PollFile gives a consumer a descriptor for programs that live in epoll. Serve and
// Dial connect clients with the processes that answer them.
//
// # What is promised
//
// Whatever was published is delivered, in the order of its producer, also when the
// producer is killed right after. A producer that is killed in the middle of a
// message has published nothing of it. When a role falls vacant because its holder
// left or died, the other end hears of it at once, and any process may take the role
// over. A stopped process keeps its role and what it holds, and blocks nobody by more
// than that.
//
// While no consumer dies, each message is received exactly once. A message that a
// dead consumer had not released is delivered again to the next one where there is
// only one at a time; where there are many it is lost with the consumer that held
// it, or, with Options.Redeliver, received again by another one, perhaps after later
// ones (Consumer.Redelivered). A process may hold any number of a Queue's messages
// (Queue.Lease, Options.Leases), and others wait until all are done (Queue.WaitFinished).
//
// Where there are many producers, each has a room of its own of the ring's capacity,
// and there is no order between messages of different ones. Small messages are copied
// to a consumer, larger ones (over 1 KiB) are handed over in place.
//
// # Concurrency
//
// A Producer and a Consumer are each for one goroutine at a time; Close may be
// called from any, unblocks a call that waits, and returns when that call has.
// A Ring may be used from any goroutine. Where there may be many ends, each
// goroutine makes one of its own; a Chan with many ends, or a Queue, may be used from any
// number of goroutines.
//
// # Cost
//
// Sending and receiving make no system call and allocate nothing unless one
// has to wait or the other sleeps.
//
// # Trust
//
// Both ends can write the whole ring. Whatever one end reads of the other's is
// checked before it is used: garbage gives ErrCorrupt. A slice from Next may
// still change under the reader's eyes; who cannot live with that uses Recv. A
// named ring's file can be truncated by any process of the same user: then
// calls return ErrTruncated, and slices from Reserve and Next may fault.
// Anonymous rings are sealed against that. A slice must not be used once its end
// is closed or given away: another process may have the role by then.
//
//	ring, err := ringbuf.New("", nil)
//	...
//	p, err := ring.Producer()
//	err = p.Send(ctx, []byte("hello"))
//	...
//	c, err := ring.Consumer() // in another process
//	msg, err := c.Recv(ctx, buf)
package ringbuf
