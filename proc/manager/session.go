package manager

import (
	"sync"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/ringbuf"
)

// session is a client process as the server knows it: what it holds, and which objects have
// to be told when it ends.
type session struct {
	owner
	id  ringbuf.ClientID // of its first client
	pid int

	// Held for reading while a request of this session is served, so that none has an
	// effect after the session's end.
	mu    sync.RWMutex
	ended bool

	parts    sync.Mutex
	involved map[object]int
}

// involve has the object told when the session ends; it is counted.
func (s *session) involve(o object) {
	s.parts.Lock()
	defer s.parts.Unlock()
	if s.involved == nil {
		s.involved = make(map[object]int)
	}
	s.involved[o]++
}

// release undoes an involve.
func (s *session) release(o object) {
	s.parts.Lock()
	defer s.parts.Unlock()
	if n := s.involved[o]; n > 1 {
		s.involved[o] = n - 1
	} else {
		delete(s.involved, o) // of a session that has ended there is no map
	}
}

// end ends the session, once: nothing of it is left afterwards.
func (v *server) end(s *session) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended = true
	s.mu.Unlock()
	s.parts.Lock()
	involved := s.involved
	s.involved = nil
	s.parts.Unlock()
	crashpoint.Hit("manager.ending")
	for o := range involved {
		o.left(s)
	}
	v.bury(v.graph.dropAll(&s.owner))
}

// bury tells objects that they have died.
func (v *server) bury(dead []*node) {
	for _, n := range dead {
		v.graph.mu.Lock()
		o := n.object
		v.graph.mu.Unlock()
		o.died()
	}
}
