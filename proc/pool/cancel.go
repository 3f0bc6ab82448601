package pool

// cancel takes b back if no worker has begun it: then it ends with err, and the answer is
// true. Otherwise its worker is told.
func (c *core) cancel(b *batch, err error) bool {
	c.mu.Lock()
	w, seq := b.w, b.seq
	switch {
	case b.where == over:
		cancelled := b.cancelled
		c.mu.Unlock()
		return cancelled
	case b.where == queued:
		c.withdraw(b)
	case w.alone && w.seq == seq: // its arguments are being read: sendHeavy comes back to it
		b.unwanted = err
		c.mu.Unlock()
		return false
	case b.told == seq: // more would only fill the pipe of a worker that is stopped
		c.mu.Unlock()
		return false
	case !c.recall(w, b):
		b.unwanted, b.told = err, seq
		w.tell.Go(func() { writeCancel(w.control, seq) })
		c.mu.Unlock()
		return false
	}
	// What went to a worker before, and comes back from it, has begun.
	b.where, b.cancelled = over, b.next == 0 && b.tries == 0
	cancelled := b.cancelled
	c.giveUp(b, err)
	c.finishing++
	c.pump()
	c.mu.Unlock()
	c.finishAll([]*batch{b})
	return cancelled
}

// began says whether a worker has begun b.
func (c *core) began(b *batch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.where != underWay {
		return b.reading
	}
	_, ok := b.w.desk.running(b.seq)
	return ok
}
