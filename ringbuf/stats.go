package ringbuf

import "github.com/shmkit/shmkit/internal/mem"

// Stats are a ring's or channel's numbers at one moment, as the processes that have
// it open wrote them. Reading them disturbs nobody. Numbers that belong together may
// be of slightly different moments. Of a ring whose file was truncated they are zero.
type Stats struct {
	Sent        uint64 // published since it was made; bytes with headers, or values
	Received    uint64 // released, or with many consumers taken, since it was made, alike
	Used        int    // published and not released, alike
	HighWater   int    // most that was used, alike, of those moments at which an end looked; with many producers of any one's room
	Messages    uint64 // messages, or values, published since it was made
	Queued      int    // messages, or values, published and not received; with one end each not released, and of those one more or less where an end was killed
	Redelivered uint64 // messages received again since it was made, where Options.Redeliver says so
	ProducerPID int    // who sends, 0 for nobody; with many, one of them
	ConsumerPID int    // who receives, 0 for nobody; with many, one of them
	Ended       bool   // CloseSend was called
}

// EndStats are the numbers of one end, or, where it has left, of the last that was in
// its place. They count on from one process to the next in that place.
type EndStats struct {
	Producer    bool   // else a consumer
	PID         int    // whose it is, 0 for nobody's
	Messages    uint64 // it has sent, or received
	Bytes       uint64 // of these messages; with one end each as they lie in the ring, with headers
	Waits       uint64 // how often it slept
	Wakes       uint64 // how often it woke another end
	Redelivered uint64 // how many of the messages it did not receive for the first time
	Lag         int    // how much of what it has sent is not received yet, or, of a consumer, how much it may receive: bytes with headers, or values
}

// raise adds one to a number that this process alone writes.
func raise(n *mem.Uint64) { n.StoreRelaxed(n.Load() + 1) }

// note makes high at least used. This process alone writes it.
func note(high *mem.Uint64, used uint64) {
	if used > high.Load() {
		high.StoreRelaxed(used)
	}
}

// stats are in bytes or values.
func (h *header) stats(capacity int) (s Stats) {
	_ = guard(func() error {
		gone := h.received.messages.Load()
		received := h.head.Load()
		sent := h.tail.Load()
		high := max(h.sent.high.Load(), h.received.high.Load())
		s = Stats{
			Sent: sent, Received: received, Used: int(min(sent-received, uint64(capacity))),
			HighWater: int(min(high, uint64(capacity))), Messages: h.sent.messages.Load(),
			Queued:      int(min(max(int64(h.sent.messages.Load()-gone), 0), int64(capacity))),
			ProducerPID: h.producer.PID(), ConsumerPID: h.consumer.PID(), Ended: h.ended.Load() != 0,
		}
		return nil
	})
	s.HighWater = max(s.HighWater, s.Used)
	return s
}

func (h *header) ends(capacity int) (ends []EndStats) {
	s := h.stats(capacity)
	_ = guard(func() error {
		of := func(c *tally, bytes uint64, pid int) EndStats {
			return EndStats{
				PID: pid, Messages: c.messages.Load(), Bytes: bytes,
				Waits: c.waits.Load(), Wakes: c.wakes.Load(), Lag: s.Used,
			}
		}
		ends = []EndStats{of(&h.sent, s.Sent, s.ProducerPID), of(&h.received, s.Received, s.ConsumerPID)}
		ends[0].Producer = true
		return nil
	})
	return ends
}

// waiting is how much of a lane's is published and not taken, as its indices count.
func (s *shared) waiting(l *lane) uint64 {
	head, tail := l.head.Load(), l.tail.Load()
	if cut := l.cut.Load(); cut != 0 {
		tail = cut &^ 1
	}
	if int64(tail-head) < 0 { // head was read before
		return 0
	}
	return min(tail-head, uint64(s.size()))
}

// stats are in bytes or values, of which unit of the indices' make one.
func (s *shared) stats(unit uint64) (st Stats) {
	_ = guard(func() error {
		high := uint64(0)
		lanes, seats := s.usedLanes(), s.usedSeats()
		for i := range lanes {
			l := &lanes[i]
			used := s.waiting(l)
			head := l.head.Load()
			st.Sent += (head + used) / unit
			st.Received += head / unit
			st.Used += int(used / unit)
			st.Messages += l.messages.Load()
			high = max(high, used, l.high.Load())
			if pid := l.PID(); pid != 0 {
				st.ProducerPID = pid
			}
		}
		for x := range seats {
			c := &seats[x]
			st.Redelivered += c.again.Load()
			high = max(high, c.high.Load())
			if pid := c.PID(); pid != 0 {
				st.ConsumerPID = pid
			}
		}
		st.HighWater = int(min(high, uint64(s.size())) / unit)
		st.Queued = int(s.count())
		st.Ended = s.h.ended.Load() != 0
		return nil
	})
	return st
}

func (s *shared) ends(unit uint64) (ends []EndStats) {
	_ = guard(func() error {
		lanes, seats := s.usedLanes(), s.usedSeats()
		lag := 0
		for i := range lanes {
			l := &lanes[i]
			ends = append(ends, EndStats{
				Producer: true, PID: l.PID(), Messages: l.messages.Load(), Bytes: l.bytes.Load(),
				Waits: l.waits.Load(), Wakes: l.wakes.Load(), Lag: int(s.waiting(l) / unit),
			})
			lag += ends[i].Lag
		}
		for x := range seats {
			c := &seats[x]
			ends = append(ends, EndStats{
				PID: c.PID(), Messages: c.messages.Load(), Bytes: c.bytes.Load(),
				Waits: c.waits.Load(), Wakes: c.wakes.Load(), Redelivered: c.again.Load(), Lag: lag,
			})
		}
		return nil
	})
	return ends
}

// pids are the processes that take part.
func (s *shared) pids() (producers, consumers []int) {
	_ = guard(func() error {
		for i := range s.usedLanes() {
			if pid := s.lanes[i].PID(); pid != 0 {
				producers = append(producers, pid)
			}
		}
		for x := range s.usedSeats() {
			if pid := s.seats[x].PID(); pid != 0 {
				consumers = append(consumers, pid)
			}
		}
		return nil
	})
	return producers, consumers
}

// fullest is how much the producer with the fullest room has in it.
func (s *shared) fullest() (most int) {
	_ = guard(func() error {
		for i := range s.usedLanes() {
			most = max(most, int(s.waiting(&s.lanes[i])))
		}
		return nil
	})
	return most
}

// Stats returns the ring's numbers, in bytes.
func (r *Ring) Stats() Stats {
	if r.many != nil {
		return r.many.stats(1)
	}
	return r.h.stats(r.opts.Capacity)
}

// Ends returns the numbers of each end that the ring has or had, producers first.
func (r *Ring) Ends() []EndStats {
	if r.many != nil {
		return r.many.ends(1)
	}
	return r.h.ends(r.opts.Capacity)
}

// Ends returns the numbers of each end that the channel has or had, producers first.
func (c *Chan[T]) Ends() []EndStats {
	if c.many != nil {
		return c.many.s.ends(recordUnit)
	}
	return c.h.ends(c.opts.Capacity)
}
