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

// front is up to where lane i's messages are taken, and where it ends. Of the message at
// the head it looks whether it is taken: who did that may be stopped, or have died,
// before it moved the head.
func (s *shared) front(i int) (head, end uint64, err error) {
	l, size := &s.lanes[i], uint64(s.geo.capacity)
	data := s.bytes[s.geo.at(i)+s.geo.slots:][:size:size]
	for range enough {
		head = l.head.Load()
		end = s.end(l)
		if head == end {
			return head, end, nil
		}
		at, sound := head&(size-1), end-head <= size && (head|end)%extentRecord == 0
		taken := false
		if sound {
			word, generation := wordAt(data[at:]).Load(), extentState(wordAt(data[at+recordHeader:]).Load())
			table, entry := s.table(i), word&numberMask
			if sound = word&kindMask == kindExtent && entry < uint64(len(table)); sound {
				state := extentState(table[entry].state.Load())
				taken = state.phase() != phaseReady || state.generation() != generation
			}
		}
		switch {
		case l.head.Load() != head:
			continue
		case !sound:
			return head, head, fmt.Errorf("%w: head %d, end %d of lane %d", ErrCorrupt, head, end, i)
		case taken:
			head += extentRecord
		}
		return head, end, nil
	}
	return head, head + min(end-head, size), nil // they take one after the other
}

// untaken is how many messages are published and not taken, and something that differs if
// any was published between two calls.
func (s *shared) untaken() (n, ends uint64, err error) {
	for i := range s.usedLanes() {
		head, end, e := s.front(i)
		if e != nil {
			err = e
		}
		n += (end - head) / extentRecord
		ends = ends*0x9e3779b97f4a7c15 + end
	}
	return n, ends, err
}

// out is how many messages somebody holds, or wait to be received again.
func (s *shared) out() (n uint64) {
	for i := range s.usedLanes() {
		table := s.table(i)
		for k := range table {
			if p := extentState(table[k].state.Load()).phase(); p == phaseHeld || p == phaseAgain {
				n++
			}
		}
	}
	return n
}

func (s *shared) unfinished() int {
	if !s.opts.Leases {
		return 0
	}
	n, _, _ := s.untaken()
	return int(n + s.out())
}

// atLeast is how many messages have to be finished before there is nothing unfinished, or
// more; 0: there was an instant at which nothing was.
func (s *shared) atLeast() (n uint64, err error) {
	n, ends, err := s.untaken()
	if n != 0 || err != nil {
		return n, err
	}
	if n = s.out(); n != 0 {
		return n, nil
	}
	if _, now, err := s.untaken(); now != ends || err != nil {
		return 1, err
	}
	return 0, nil
}
