package proc

import (
	"fmt"
	"reflect"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/ringbuf"
)

// queuePassport is how a queue travels.
type queuePassport struct {
	Ring     []byte // the reference of its ringbuf.Queue
	Kind     string
	Items    string // their type, for people
	Layout   uint64 // their fingerprint, 0 for what is encoded
	Codec    string
	MaxItems int
	Stays    bool
}

// leave makes a passport.
func (q *queue[T]) leave(kind string) ([]byte, error) {
	if q.ring == nil {
		return nil, fmt.Errorf("send %s: %w", kind, ErrClosed)
	}
	ref, err := q.ring.MarshalBinary()
	if err != nil {
		return nil, err
	}
	p := queuePassport{
		Ring: ref, Kind: kind, Items: reflect.TypeFor[T]().String(), Layout: q.pack.fingerprint(),
		MaxItems: q.most, Stays: q.stays,
	}
	if !q.pack.raw {
		p.Codec = q.pack.codec.name
	}
	return codec.Marshal(p)
}

// enter makes q the queue of a passport. Where both say that items are bytes of the same
// layout, or both that they are not, the items can be got.
func (q *queue[T]) enter(kind string, data []byte) error {
	var p queuePassport
	if err := codec.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("receive %s: %w", kind, err)
	}
	c, err := codecNamed(p.Codec)
	if err != nil {
		return fmt.Errorf("receive %s: %w", kind, err)
	}
	if p.Codec == "" && p.Layout != 0 {
		c = nil // of what has no pointers
	}
	pack := newPacking[T](c)
	if p.Kind != kind || p.Layout != pack.fingerprint() {
		return fmt.Errorf("receive %s of %v: %w: it is a %s of %s", kind, reflect.TypeFor[T](), ringbuf.ErrLayout, p.Kind, p.Items)
	}
	ring := new(ringbuf.Queue)
	if err := ring.UnmarshalBinary(p.Ring); err != nil {
		return fmt.Errorf("receive %s: %w", kind, err)
	}
	q.ring, q.pack, q.most, q.stays = ring, pack, p.MaxItems, p.Stays
	return nil
}

// MarshalBinary lets a queue travel as an argument of another process, or in an item or
// message. This process has it as before.
func (q *Queue[T]) MarshalBinary() ([]byte, error) { return q.leave("Queue") }

// UnmarshalBinary makes q the queue that has arrived. Its T must be that of the sender's
// queue: without pointers of the same layout (ringbuf.ErrLayout), else of a type
// that can be decoded from its items.
func (q *Queue[T]) UnmarshalBinary(data []byte) error { return q.enter("Queue", data) }
