package ringbuf

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/shmkit/shmkit/internal/futex"
)

// polls are the groups of ends whose descriptors wait. A group has a goroutine, which
// sleeps on the words of all its ends, and on a bell that rings when one is added or
// taken out. Who finds the last one taken out ends. The lock is held while an end's
// memory is looked at: so nobody does when disarm has returned.
var polls struct {
	sync.Mutex
	groups []*pollGroup
}

type pollGroup struct {
	ends []*polled
	bell bell
}

// An end has a word of its own and one of a peer.
const pollMost = (futex.MaxWords - 1) / 2

// arm makes the descriptor wait.
func (p *polled) arm() {
	polls.Lock()
	defer polls.Unlock()
	if p.fd < 0 || p.group != nil || p.e.closed.Load() {
		return
	}
	drainEvent(p.fd)
	for _, g := range polls.groups {
		if len(g.ends) < pollMost {
			p.enter(g)
			return
		}
	}
	g := new(pollGroup)
	polls.groups = append(polls.groups, g)
	p.enter(g)
	go g.run()
}

func (p *polled) enter(g *pollGroup) {
	g.ends = append(g.ends, p)
	p.group = g
	p.armed.Store(true)
	g.bell.ring()
}

// disarm makes the descriptor readable, and the end's memory nobody's business any more.
func (p *polled) disarm() {
	polls.Lock()
	if p.group != nil {
		_ = guard(p.rise)
	}
	p.raise()
	woken := p.woken.Swap(false)
	polls.Unlock()
	if woken {
		_ = guard(func() error { p.on.passOn(); return nil })
	}
}

// raise makes the descriptor readable, with the lock.
func (p *polled) raise() {
	if g := p.group; g != nil {
		i := slices.Index(g.ends, p)
		g.ends = slices.Delete(g.ends, i, i+1)
		p.group = nil
		p.armed.Store(false)
		g.bell.ring()
	}
	if p.fd >= 0 {
		raiseEvent(p.fd)
	}
}

func (p *polled) rise() error {
	if p.on.rise() {
		p.woken.Store(true)
	}
	return nil
}

func (g *pollGroup) run() {
	var words []futex.Word
	for {
		// The look may ask about these when the sleep is over.
		var asked []func() bool
		more := false
		words, asked, more = g.settle(words[:0])
		if !more {
			return
		}
		err := futex.SleepAny(context.Background(), words, func() bool {
			return slices.ContainsFunc(asked, func(gone func() bool) bool { return gone() })
		})
		g.rise(err)
	}
}

// settle makes the descriptors readable of all ends that have news, and announces that
// the others sleep. It returns the words to sleep on, and what the look asks, or false
// if none is left.
func (g *pollGroup) settle(words []futex.Word) (_ []futex.Word, asked []func() bool, more bool) {
	polls.Lock()
	defer polls.Unlock()
	words = append(words, futex.Word{Addr: &g.bell.Uint32, Val: g.bell.Load()})
	fence := false
	for i := len(g.ends) - 1; i >= 0; i-- { // the last first: raise takes out
		p := g.ends[i]
		if guard(func() error { words = p.on.lie(words); return nil }) != nil {
			p.raise()
			continue
		}
		asked = append(asked, p.on.asked())
		fence = fence || p.e.strategy != Block
	}
	if fence {
		futex.HeavyFence()
	}
	for i := len(g.ends) - 1; i >= 0; i-- {
		p, due := g.ends[i], true // so it is if that cannot be said
		_ = guard(func() error { due = p.on.due(); return nil })
		if due {
			_ = guard(p.rise)
			p.raise()
		}
	}
	if len(g.ends) == 0 {
		polls.groups = slices.DeleteFunc(polls.groups, func(x *pollGroup) bool { return x == g })
		return nil, nil, false
	}
	return words, asked, true
}

// rise undoes what settle has announced, after the sleep.
func (g *pollGroup) rise(err error) {
	polls.Lock()
	defer polls.Unlock()
	for i := len(g.ends) - 1; i >= 0; i-- {
		p := g.ends[i]
		if guard(p.rise) != nil || errors.Is(err, futex.ErrFault) { // the call says what is wrong
			p.raise()
		}
	}
}
