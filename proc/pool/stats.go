package pool

// Stats says what a pool has done so far and what it does now. Counts of tasks are taken
// when the batch that a task came in has ended.
type Stats struct {
	Submitted int // tasks
	Waiting   int // tasks that no worker has
	Done      int // tasks that ended with a result or an error
	Failed    int // of these, those with an error
	Cancelled int // tasks that ended before they began, for whatever reason
	Retried   int // times that a task was tried again because its worker had died

	Workers int // processes that live, or are being started
	Idle    int // of these, those that have nothing to do
	Started int // processes that were ever started
	Retired int // processes that ended in order
	Died    int // processes that ended otherwise

	CallbackPanics int // see Options.OnPanic

	// PerWorker is about the workers that live.
	PerWorker []WorkerStats

	lastStart error // of the last start that failed
}

// WorkerStats is about one worker.
type WorkerStats struct {
	PID   int
	Name  string
	Done  int // tasks
	Tasks int // tasks that it has and has not done
}

// Stats returns what the pool has done so far.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Waiting, s.Workers = p.waiting, p.live
	s.CallbackPanics = int(p.panics.count.Load())
	for _, ref := range p.at {
		w := ref.Load()
		if w == nil {
			continue
		}
		ws := WorkerStats{PID: w.process.PID(), Name: w.process.Name(), Done: w.counted}
		for i := range w.flight {
			if b := w.flight[i].Load(); b != nil && b.where == underWay {
				ws.Tasks += b.until - b.began
			}
		}
		if w.ready && w.flights == 0 {
			s.Idle++
		}
		s.PerWorker = append(s.PerWorker, ws)
	}
	return s
}
