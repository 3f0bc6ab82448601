package pool

import (
	"time"
)

// Progress is how far a Map or Imap has come.
type Progress struct {
	Done    int           // tasks that have ended
	Failed  int           // of these, those with an error
	Total   int           // MapOptions.Total, and in the end Done
	Elapsed time.Duration // since the call
	Over    bool          // this is the last call
}

// take returns what is over.
func (m *mapping[A, R]) take() []*lot[A, R] {
	m.mu.Lock()
	lots := m.ready
	m.ready = nil
	m.mu.Unlock()
	for _, l := range lots {
		m.progress.Done += l.n
		m.progress.Failed += len(l.errs)
	}
	if len(lots) > 0 && m.opts.Progress != nil {
		m.report(false)
	}
	return lots
}

// report calls Progress, if it is time.
func (m *mapping[A, R]) report(over bool) {
	if m.opts.Progress == nil {
		return
	}
	now := time.Now()
	if !over && now.Sub(m.reported) < m.opts.Every {
		return
	}
	m.reported = now
	p := m.progress
	p.Total, p.Elapsed, p.Over = m.opts.Total, now.Sub(m.began), over
	if over {
		p.Total = p.Done
	}
	m.opts.Progress(p)
}
