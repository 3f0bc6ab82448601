package ringbuf

import (
	"fmt"
)

// Unfinished returns how many messages were sent and are not done: not yet received, held
// by a process, or given back to be received again. It may be out of date when it arrives.
// It is 0 for a queue without Options.Leases.
func (q *Queue) Unfinished() (n int) {
	s := q.ring.many
	_ = guard(func() error {
		n = s.unfinished()
		return nil
	})
	return n
}

// front is how many messages of lane i are published and not taken, and where it ends.
func (s *shared) front(i int) (n, end uint64, err error) {
	l := &s.lanes[i]
	for range enough {
		head := l.head.Load()
		end = s.end(l)
		if head == end {
			return 0, end, nil
		}
		first, sound := s.first(i, head, end)
		taken := sound && first.taken()
		next, _, marked := l.marked(end)
		if l.head.Load() != head {
			continue
		}
		if sound && !marked && s.end(l) != end { // it publishes all the time
			continue
		}
		n = (next - first.number) & seqMost
		if !sound || !marked || n == 0 || n > (end-head)/recordUnit {
			return 0, end, fmt.Errorf("%w: head %d, end %d of lane %d", ErrCorrupt, head, end, i)
		}
		if taken {
			n--
		}
		return n, end, nil
	}
	return 1, end, nil // they take and publish one after the other
}

// untaken is how many messages are published and not taken, and something that differs if
// any was published between two calls.
func (s *shared) untaken() (n, ends uint64, err error) {
	for i := range s.usedLanes() {
		k, end, e := s.front(i)
		if e != nil {
			err = e
		}
		n += k
		ends = ends*0x9e3779b97f4a7c15 + end
	}
	return n, ends, err
}

// out is how many messages somebody holds, or wait to be received again. me is who counts.
func (s *shared) out(me chunkWord) (n uint64) {
	s.eachOut(trace{}, me, func(_ spot, was extentState, _ trace) bool {
		if was.out() {
			n++
		}
		return true
	})
	return n
}

func (s *shared) unfinished() int {
	if !s.opts.Leases {
		return 0
	}
	n, _, _ := s.untaken()
	return int(n + s.out(nobody))
}

// atLeast is how many messages have to be finished before there is nothing unfinished, or
// more; 0: there was an instant at which nothing was. me is who asks.
func (s *shared) atLeast(me chunkWord) (n uint64, err error) {
	n, ends, err := s.untaken()
	if n != 0 || err != nil {
		return n, err
	}
	if n = s.out(me); n != 0 {
		return n, nil
	}
	if _, now, err := s.untaken(); now != ends || err != nil {
		return 1, err
	}
	return 0, nil
}
