package ringbuf

// Stats are a ring's or channel's numbers at one moment. Reading them disturbs
// nobody. Of a ring whose file was truncated they are zero.
type Stats struct {
	Sent        uint64 // published since it was made; bytes with headers, or values
	Received    uint64 // released since it was made, alike
	Used        int    // published and not released, alike
	ProducerPID int    // who sends, 0 for nobody
	ConsumerPID int    // who receives, 0 for nobody
	Ended       bool   // CloseSend was called
}

func (h *header) stats(capacity int) (s Stats) {
	_ = guard(func() error {
		received := h.head.Load()
		sent := h.tail.Load()
		s = Stats{
			Sent: sent, Received: received, Used: int(min(sent-received, uint64(capacity))),
			ProducerPID: h.producer.PID(), ConsumerPID: h.consumer.PID(), Ended: h.ended.Load() != 0,
		}
		return nil
	})
	return s
}

// Stats returns the ring's numbers, in bytes.
func (r *Ring) Stats() Stats {
	if r.many != nil {
		return r.many.stats()
	}
	return r.h.stats(r.opts.Capacity)
}
