package manager

// Parked returns how many requests wait at an object of a manager in this process.
func Parked(m *Manager, id uint64) int {
	switch o := m.owner.inside.server.graph.find(id).object.(type) {
	case *lockObject:
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.line)
	case *condObject:
		o.lock.mu.Lock()
		defer o.lock.mu.Unlock()
		return len(o.line)
	case *semObject:
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.line)
	case *eventObject:
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.line)
	case *barObject:
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.line) + len(o.others)
	case *queueObject:
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.putters) + len(o.getters) + len(o.joiners)
	}
	return -1
}

// Involvements returns in how many objects the sessions of a manager in this process are
// involved.
func Involvements(m *Manager) (n int) {
	for _, s := range m.owner.inside.server.sessions() {
		s.parts.Lock()
		for _, k := range s.involved {
			n += k
		}
		s.parts.Unlock()
	}
	return n
}
