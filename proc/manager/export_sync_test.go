package manager

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/wireerr"
)

// probeKind is an object of tests, which looks at others in the server.
var probeKind = kind("probe", func(x *request, _ *node) (object, error) { return &probe{x.server}, nil })

type probe struct{ server *server }

const (
	probeParked       op = iota + 1 // object; returns how many requests are parked there
	probeInvolvements               // returns in how many objects all sessions are involved
)

func (p *probe) left(*session) {}
func (p *probe) died()         {}

func (p *probe) serve(x *request) error {
	n := 0
	if x.op == probeParked {
		_, o := p.server.graph.find(x.number())
		n = parkedAt(o)
	} else {
		for _, s := range p.server.sessions() {
			s.parts.Lock()
			for _, k := range s.involved {
				n += k
			}
			s.parts.Unlock()
		}
	}
	x.out.number(uint64(n))
	return x.args()
}

func parkedAt(o object) int {
	switch o := o.(type) {
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

// Parked returns how many requests wait at an object.
func Parked(ctx context.Context, m *Manager, id uint64) (int, error) {
	return m.probe(ctx, probeParked, id)
}

// Involvements returns in how many objects all sessions of a manager are involved.
func Involvements(ctx context.Context, m *Manager) (int, error) {
	return m.probe(ctx, probeInvolvements, 0)
}

func (m *Manager) probe(ctx context.Context, o op, id uint64) (int, error) {
	var p proxy
	if err := m.create(ctx, &p, probeKind, nil); err != nil {
		return 0, err
	}
	defer p.Close()
	t, err := p.begin(o)
	if err != nil {
		return 0, err
	}
	defer t.end()
	if id != 0 {
		t.number(id)
	}
	r, err := t.call(ctx, false)
	return int(r.number()), err
}

// Kinds returns the names of all kinds of objects.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// Garbage asks the manager for an object of a kind with those arguments, and then that
// object, if there is one, for each of its operations.
func Garbage(ctx context.Context, m *Manager, kind string, create []byte, ask func(op uint16) []byte) error {
	var p proxy
	err := m.create(ctx, &p, kind, func(t *trip) (func(), error) {
		t.b = append(t.b, create...)
		return nothing, nil
	})
	var odd *wireerr.Error
	if errors.As(err, &odd) && odd.Panicked {
		return err
	}
	if err != nil {
		return nil
	}
	defer p.Close()
	for o := range uint16(24) {
		t, err := p.begin(op(o))
		if err != nil {
			return err
		}
		t.b = append(t.b, ask(o)...)
		brief, cancel := context.WithTimeout(ctx, 100*time.Microsecond)
		_, err = t.call(brief, true)
		cancel()
		t.end()
		if errors.As(err, &odd) && odd.Panicked {
			return fmt.Errorf("operation %d: %w", o, err)
		}
	}
	return nil
}
