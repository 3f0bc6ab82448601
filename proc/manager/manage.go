package manager

import (
	"fmt"
	"math"
	"slices"
)

// Operations of the manager itself, object 0.
const (
	opHello   op = iota + 1 // begins a session; says nothing, returns the identity
	opJoin                  // session: the client belongs to that
	opCreate                // kind, its arguments; returns an object
	opRetain                // object: the session holds it once more
	opRelease               // pairs of object and number: the session holds it so many times less
	opCount                 // returns how many objects live
	opDebug                 // returns DebugInfo
	opStop                  // ends the server
)

// manage serves a request to the manager itself.
func (v *server) manage(x *request) error {
	switch x.op {
	case opHello:
		x.out.bytes(v.id[:])
		return x.args()
	case opJoin:
		x.number()
		return x.args()
	case opCreate:
		return v.create(x)
	case opRetain:
		id := x.number()
		if err := x.args(); err != nil {
			return err
		}
		if err := v.graph.take(&x.sess.owner, []uint64{id}); err != nil {
			return err
		}
		x.onUnwanted(func() { v.bury(v.graph.drop(&x.sess.owner, id, 1)) })
		return nil
	case opRelease:
		for n := x.count(); n > 0 && !x.bad; n-- {
			id, times := x.number(), x.number()
			x.dead = append(x.dead, v.graph.drop(&x.sess.owner, id, int(min(times, math.MaxInt32)))...)
		}
		return x.args()
	case opCount:
		n, dead := v.graph.count()
		x.dead = append(x.dead, dead...)
		x.out.number(uint64(n))
		return x.args()
	case opDebug:
		v.describe(x)
		return x.args()
	case opStop:
		v.stop()
		return x.args()
	}
	return x.unknown()
}

// create makes an object, which the session holds.
func (v *server) create(x *request) error {
	name := x.text()
	if t := userTypes.named(name); t != nil {
		return v.construct(x, t)
	}
	make := kinds[name]
	if make == nil {
		return fmt.Errorf("%w: no kind %q", ErrProtocol, name)
	}
	n, dead, err := v.graph.add(&x.sess.owner, name)
	x.dead = append(x.dead, dead...)
	if err != nil {
		return err
	}
	// First: it is undone also if making it fails, or panics.
	x.onUnwanted(func() { v.bury(v.graph.drop(&x.sess.owner, n.id, 1)) })
	// Not under the graph's lock: it may take objects that it is made of.
	x.node = n
	o, err := make(x, n)
	if err == nil {
		err = x.args()
	}
	if err != nil {
		return err
	}
	v.graph.born(n, o)
	x.node = nil
	x.out.number(n.id)
	return nil
}

// unborn is an object that is being made. Nobody knows its id yet.
type unborn struct{}

func (unborn) serve(x *request) error { return fmt.Errorf("%w: object %d", ErrGone, x.node.id) }
func (unborn) left(*session)          {}
func (unborn) died()                  {}

// describe writes DebugInfo.
func (v *server) describe(x *request) {
	all := v.graph.list()
	sessions := v.sessions()
	slices.SortFunc(sessions, func(a, b *session) int { return a.pid - b.pid })
	v.graph.mu.Lock()
	defer v.graph.mu.Unlock()
	x.out.number(uint64(len(all)))
	for _, n := range all {
		x.out.number(n.id)
		x.out.text(n.kind)
		inside := n.wanted
		var by []*session
		for _, s := range sessions {
			if s.holds[n.id] > 0 {
				by = append(by, s)
				inside -= s.holds[n.id]
			}
		}
		x.out.number(uint64(max(inside, 0)))
		x.out.number(uint64(len(by)))
		for _, s := range by {
			x.out.number(uint64(s.pid))
		}
	}
	x.out.number(uint64(len(sessions)))
	for _, s := range sessions {
		x.out.number(uint64(s.pid))
	}
}
