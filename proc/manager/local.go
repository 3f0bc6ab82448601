package manager

import (
	"context"
	"sync"

	"github.com/shmkit/shmkit/ringbuf"
)

// localLink carries requests of the process that has the server in itself. It is a session
// like others, and no byte of it crosses shared memory.
type localLink struct {
	server *server
	sess   *session
	gone   <-chan struct{} // closed when the server has ended
}

// localID is that of no client: there are fewer seats.
const localID = ringbuf.ClientID(1) << 63

func newLocalLink(v *server, pid int, gone <-chan struct{}) *localLink {
	s := &session{id: localID, pid: pid}
	v.mu.Lock()
	v.clients[localID] = s
	v.mu.Unlock()
	v.graph.mu.Lock()
	v.graph.roots[&s.owner] = struct{}{}
	v.graph.mu.Unlock()
	return &localLink{server: v, sess: s, gone: gone}
}

func (l *localLink) from() uint64 { return uint64(localID) }

func (l *localLink) call(ctx context.Context, buf, request []byte, _ bool) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := new(localCall)
	if reply := l.server.answer(l.sess, request, c); reply != nil {
		return append(buf, reply...), nil
	}
	select {
	case reply := <-c.done:
		return append(buf, reply...), nil
	case <-ctx.Done():
		if c.giveUp() {
			return nil, ctx.Err()
		}
		return append(buf, <-c.done...), nil
	case <-l.gone:
		if c.giveUp() {
			return nil, ringbuf.ErrPeerDied
		}
		return append(buf, <-c.done...), nil
	}
}

func (l *localLink) close() {
	l.server.mu.Lock()
	delete(l.server.clients, localID)
	l.server.mu.Unlock()
	l.server.end(l.sess)
}

// localCall is a call that goes through a localLink.
type localCall struct {
	done chan []byte // of a reply that is put off

	mu        sync.Mutex
	withdrawn func()
	over      bool // answered, or given up
}

func (c *localCall) later(withdrawn func()) replier {
	c.done, c.withdrawn = make(chan []byte, 1), withdrawn
	return c
}

// ifUnwanted: a reply that is not put off is always taken.
func (c *localCall) ifUnwanted(func()) {}

// Send ends the call; see ringbuf.Reply.Send. err is nil.
func (c *localCall) Send(reply []byte, _ error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	c.over = true
	c.done <- reply
	return true
}

// giveUp says whether the caller is not answered any more.
func (c *localCall) giveUp() bool {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return false
	}
	c.over = true
	c.mu.Unlock()
	c.withdrawn()
	return true
}
