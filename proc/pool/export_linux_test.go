package pool

// Sending says whether something is being sent to a worker that has to itself while it is.
func Sending(p *Pool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ref := range p.at {
		if w := ref.Load(); w != nil && w.alone {
			return true
		}
	}
	return false
}
