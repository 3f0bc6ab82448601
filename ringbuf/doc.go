// Package ringbuf has queues of messages between processes: byte rings with
// messages of any length, and typed channels.
//
// A Ring is a single-producer, single-consumer queue (SPSC): at any time one
// process is its producer and one its consumer. Messages are written and read
// in place. A Chan is the same for values of one type without pointers.
//
// # What is promised
//
// Whatever was published is delivered, in order, also when the producer is
// killed right after. A producer that is killed in the middle of a message has
// published nothing of it. When a role falls vacant because its holder left or
// died, the other end hears of it at once, and any process may take the role
// over. A message that a dead consumer had not released is delivered again to
// the next one. A stopped process keeps its role.
//
// # Concurrency
//
// A Producer and a Consumer are each for one goroutine at a time; Close may be
// called from any, unblocks a call that waits, and returns when that call has.
// A Ring may be used from any goroutine.
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
