package manager

import (
	"fmt"
	"slices"
	"sync"
)

// Which objects live. An object lives as long as a client has it, or another object that
// lives: each owner, a session or an object, has a number for each object that it holds.
// A client's number is raised by the server before the reply that brings it an object, and
// lowered by the client by as many as it has got: so no reply is too late and none is
// counted twice. What objects hold follows what is in them.
//
// Objects that hold each other in a circle are found by a walk from the sessions, when
// enough have been let go that were still held, and whenever somebody counts.

// owner is who holds objects.
type owner struct {
	holds map[uint64]int // by id; guarded by graph.mu, as all of it
	over  bool           // it has ended, and holds nothing any more
}

// node is an object and who wants it.
type node struct {
	owner
	id     uint64
	kind   string
	object object
	wanted int // the sum of what all owners hold
}

type graph struct {
	mu       sync.Mutex
	nodes    map[uint64]*node
	roots    map[*owner]struct{}
	last     uint64
	limit    int
	suspects int // how many were let go since the last walk that somebody still holds
}

func newGraph(limit int) *graph {
	return &graph{nodes: make(map[uint64]*node), roots: make(map[*owner]struct{}), limit: limit}
}

// add makes an object live, held once by o, and returns what has died of that: circles that
// took its place. It is unborn until born.
func (g *graph) add(o *owner, kind string) (n *node, dead []*node, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.nodes) >= g.limit && g.suspects > 0 {
		dead = g.walk(nil)
	}
	if len(g.nodes) >= g.limit {
		return nil, dead, fmt.Errorf("%w: %d", ErrTooManyObjects, g.limit)
	}
	g.last++
	n = &node{id: g.last, kind: kind, object: unborn{}}
	g.nodes[n.id] = n
	g.hold(o, n, 1)
	return n, dead, nil
}

// born says what the object of a node is.
func (g *graph) born(n *node, o object) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n.object = o
}

func (g *graph) hold(o *owner, n *node, times int) {
	if o.holds == nil {
		o.holds = make(map[uint64]int)
	}
	o.holds[n.id] += times
	n.wanted += times
}

// find returns an object, nil if there is none, or it is being made: nobody has been told
// its id then, and whoever has guessed it must not see it change.
func (g *graph) find(id uint64) (*node, object) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.nodes[id]
	if n == nil {
		return nil, nil
	}
	if _, yes := n.object.(unborn); yes {
		return nil, nil
	}
	return n, n.object
}

// kind returns the kind of an object, "" if there is none.
func (g *graph) kind(id uint64) string {
	if n, _ := g.find(id); n != nil {
		return n.kind
	}
	return ""
}

// lives says whether an object has not died.
func (g *graph) lives(n *node) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !n.over
}

// take has o hold the objects once more, all or none of them. What is over holds nothing.
func (g *graph) take(o *owner, ids []uint64) error {
	if len(ids) == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if o.over {
		return fmt.Errorf("%w: who was to hold it", ErrGone)
	}
	for _, id := range ids {
		if g.nodes[id] == nil {
			return fmt.Errorf("%w: object %d", ErrGone, id)
		}
	}
	for _, id := range ids {
		g.hold(o, g.nodes[id], 1)
	}
	return nil
}

// drop has o hold an object so many times less, and returns what has died of that.
func (g *graph) drop(o *owner, id uint64, times int) []*node {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.suspect(g.letGo(nil, o, id, times))
}

// dropAll ends a root, or an object's holdings.
func (g *graph) dropAll(o *owner) (dead []*node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.roots, o)
	o.over = true
	for id, n := range o.holds {
		dead = g.letGo(dead, o, id, n)
	}
	return g.suspect(dead)
}

// suspect walks when enough have been let go that somebody holds still, and appends what
// dies.
func (g *graph) suspect(dead []*node) []*node {
	if g.suspects > 64+len(g.nodes)/2 {
		return g.walk(dead)
	}
	return dead
}

// letGo appends what dies.
func (g *graph) letGo(dead []*node, o *owner, id uint64, times int) []*node {
	n := g.nodes[id]
	times = min(times, o.holds[id])
	if n == nil || times <= 0 {
		return dead
	}
	if o.holds[id] -= times; o.holds[id] == 0 {
		delete(o.holds, id)
	}
	if n.wanted -= times; n.wanted > 0 {
		g.suspects++
		return dead
	}
	delete(g.nodes, id)
	n.over = true
	dead = append(dead, n)
	for child, k := range n.holds {
		dead = g.letGo(dead, &n.owner, child, k)
	}
	return dead
}

// count walks, and returns how many objects live.
func (g *graph) count() (n int, dead []*node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	dead = g.walk(nil)
	return len(g.nodes), dead
}

// walk lets those die that cannot be reached from a root.
func (g *graph) walk(dead []*node) []*node {
	g.suspects = 0
	reached := make(map[uint64]bool, len(g.nodes))
	var todo []*owner
	for o := range g.roots {
		todo = append(todo, o)
	}
	for len(todo) > 0 {
		o := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for id := range o.holds {
			if n := g.nodes[id]; n != nil && !reached[id] {
				reached[id] = true
				todo = append(todo, &n.owner)
			}
		}
	}
	for id, n := range g.nodes {
		if !reached[id] {
			delete(g.nodes, id)
			n.over = true
			dead = append(dead, n)
		}
	}
	for _, n := range dead {
		for id, k := range n.holds { // of what lives
			if m := g.nodes[id]; m != nil {
				m.wanted -= k
			}
		}
		n.holds = nil
	}
	return dead
}

// list returns the living, oldest first.
func (g *graph) list() []*node {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]*node, 0, len(g.nodes))
	for _, n := range g.nodes {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b *node) int { return int(int64(a.id - b.id)) })
	return all
}
