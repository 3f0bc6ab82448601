package proc

import "sync"

// openConns are the open ends of this process. Exit closes them, so that the
// other ends find that this process has ended in order.
var openConns connSet

type connSet struct {
	mu  sync.Mutex
	set map[*Conn]struct{}
}

func (s *connSet) add(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = make(map[*Conn]struct{})
	}
	s.set[c] = struct{}{}
}

func (s *connSet) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, c)
}

func (s *connSet) close() {
	s.mu.Lock()
	var open []*Conn
	for c := range s.set {
		open = append(open, c)
	}
	s.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
}
