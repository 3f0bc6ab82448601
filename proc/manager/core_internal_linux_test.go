package manager

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/testproc"
)

// parker is an object whose requests wait.
type parker struct {
	mu    sync.Mutex
	queue []*parked
}

const (
	parkStay  op = iota + 1 // waits until it is failed
	parkPanic               // panics after it has parked
	parkDead                // the object dies before it parks
	parkCount               // returns how many wait
)

var parkKind = kind("test.parker", func(*request, *node) (object, error) { return new(parker), nil })

func (o *parker) left(*session) { o.died() }
func (o *parker) died() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.queue {
		p.fail(ErrGone)
	}
	o.queue = nil
}

func (o *parker) serve(x *request) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if x.op == parkCount {
		x.out.number(uint64(len(o.queue)))
		return x.args()
	}
	if x.op == parkDead {
		dead := x.server.graph.drop(&x.sess.owner, x.node.id, 1<<30)
		x.dead = append(x.dead, dead...)
		o.mu.Unlock()
		x.server.bury(dead) // as if another goroutine had
		x.dead = nil
		o.mu.Lock()
	}
	x.sess.involve(o)
	o.queue = append(o.queue, x.park(func(p *parked) {
		o.mu.Lock()
		defer o.mu.Unlock()
		p.fail(context.Canceled)
	}))
	if x.op == parkPanic {
		panic("behind park")
	}
	return nil
}

func tests(t *testing.T, test func(t *testing.T, m *Manager)) {
	for _, make := range []func(context.Context, *Options) (*Manager, error){New, Start} {
		m, err := make(t.Context(), nil)
		require.NoError(t, err)
		t.Run(m.String()[:11], func(t *testing.T) { test(t, m) })
		require.NoError(t, m.Close())
	}
}

func noneLeft(t *testing.T, m *Manager) {
	t.Helper()
	testproc.Within(t, func() {
		for {
			n, err := m.NumberOfObjects(t.Context())
			if err != nil || n == 0 {
				require.NoError(t, err)
				return
			}
			time.Sleep(time.Millisecond) // sleep: releases are told in their own time
		}
	})
}

// A request that has parked and then panics, or whose object has died meanwhile, ends.
func TestParkedRequestsEnd(t *testing.T) {
	tests(t, func(t *testing.T, m *Manager) {
		for o, text := range map[op]string{parkPanic: "behind park", parkDead: ErrGone.Error()} {
			p := new(proxy)
			require.NoError(t, m.create(t.Context(), p, parkKind, nil))
			testproc.Within(t, func() { require.ErrorContains(t, p.ask(t.Context(), o, true), text) })
			require.NoError(t, p.Close())
		}
		noneLeft(t, m)
	})
}

// stop stops the server process, and returns when it has stopped.
func stop(t *testing.T, m *Manager) {
	pid := m.Process().PID()
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	testproc.Within(t, func() {
		for stat := []byte(nil); !bytes.Contains(stat, []byte(") T ")); {
			stat, _ = os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		}
	})
}

// Whatever waits for a manager that is stopped, contexts end it: for a release to be told, for
// a further client.
func TestStoppedManager(t *testing.T) {
	m, err := Start(t.Context(), nil)
	require.NoError(t, err)
	defer m.Close()
	p, other := new(proxy), new(proxy)
	require.NoError(t, m.create(t.Context(), p, parkKind, nil))
	require.NoError(t, m.create(t.Context(), other, parkKind, nil))
	stop(t, m)
	require.NoError(t, other.Close())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	const all = 3 * waitersOfMain
	for i := range all {
		go func() { ended <- p.ask(ctx, parkStay, i > 0) }()
	}
	m.c.mu.Lock()
	for m.c.flushing == nil {
		m.c.mu.Unlock()
		time.Sleep(time.Millisecond) // sleep: the release is told by another goroutine
		m.c.mu.Lock()
	}
	m.c.mu.Unlock()
	cancel()
	testproc.Within(t, func() {
		for range all {
			require.ErrorIs(t, <-ended, context.Canceled)
		}
	})
	// With no release before them, some wait for main and others for a further client.
	require.NoError(t, syscall.Kill(m.Process().PID(), syscall.SIGCONT))
	testproc.Within(t, func() { require.NoError(t, m.c.flush(t.Context())) })
	stop(t, m)
	ctx, cancel = context.WithCancel(t.Context())
	for range all {
		go func() { ended <- p.ask(ctx, parkStay, true) }()
	}
	l := m.c.link.(*ringLink)
	testproc.Within(t, func() {
		for opening := false; !opening; time.Sleep(time.Millisecond) { // sleep: they are about to
			l.mu.Lock()
			opening = l.opening != nil
			l.mu.Unlock()
		}
	})
	cancel()
	testproc.Within(t, func() {
		for range all {
			require.ErrorIs(t, <-ended, context.Canceled)
		}
	})
	require.NoError(t, syscall.Kill(m.Process().PID(), syscall.SIGCONT))
	require.NoError(t, p.Close())
	noneLeft(t, m)
}

// fakeLink counts what goes through it.
type fakeLink struct {
	mu    sync.Mutex
	sizes []uint64
}

func (l *fakeLink) call(_ context.Context, buf, request []byte, _ bool) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := reader{b: request[headerSize:]}
	l.sizes = append(l.sizes, r.number())
	return append(buf, replyOK), nil
}
func (l *fakeLink) from() uint64 { return 1 }
func (l *fakeLink) close()       {}

// Any number of releases fits into messages, and who waits for them waits for all.
func TestManyReleases(t *testing.T) {
	l := new(fakeLink)
	c := &conn{link: l, users: 1, refs: map[uint64]*ref{}}
	const all = 2*maxReleases + 1
	c.mu.Lock()
	for i := range all {
		c.released = append(c.released, release{uint64(i), 1})
		c.made++
	}
	c.mu.Unlock()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			require.NoError(t, c.flush(t.Context()))
			c.mu.Lock()
			defer c.mu.Unlock()
			require.EqualValues(t, all, c.told)
		})
	}
	wg.Wait()
	require.Equal(t, []uint64{maxReleases, maxReleases, 1}, l.sizes)
	require.False(t, c.pending.Load())
}

// Values that cannot be decoded as what was asked for: what they lead to is not kept.
func TestWrongTypes(t *testing.T) {
	tests(t, func(t *testing.T, m *Manager) {
		ctx := t.Context()
		d, err := NewDict[string, *Dict[string, int]](ctx, m)
		require.NoError(t, err)
		in, err := NewDict[string, int](ctx, m)
		require.NoError(t, err)
		require.NoError(t, d.Set(ctx, "a", in))
		require.NoError(t, in.Close())
		r, err := d.hold()
		require.NoError(t, err)
		var wrong Dict[string, int]
		wrong.set(r)
		_, err = wrong.Get(ctx, "a")
		require.ErrorIs(t, err, ErrValue)
		r, err = d.hold()
		require.NoError(t, err)
		var key Dict[int, *Dict[string, int]]
		key.set(r)
		_, _, err = key.PopItem(ctx)
		require.ErrorIs(t, err, ErrValue)
		for _, p := range []*proxy{&d.proxy, &wrong.proxy, &key.proxy} {
			require.NoError(t, p.Close())
		}
		noneLeft(t, m)
		anything, err := NewDict[string, *Manager](ctx, m)
		require.NoError(t, err)
		require.ErrorIs(t, anything.Set(ctx, "m", m), ErrArgument)
		require.NoError(t, anything.Close())
	})
}

// Circles that nobody has take nobody's place.
func TestCirclesAtTheLimit(t *testing.T) {
	m, err := New(t.Context(), &Options{MaxObjects: 3})
	require.NoError(t, err)
	defer m.Close()
	for range 20 {
		d, err := NewDict[string, any](t.Context(), m)
		require.NoError(t, err)
		circle, err := NewDict[string, *Dict[string, any]](t.Context(), m)
		require.NoError(t, err)
		require.NoError(t, circle.Set(t.Context(), "d", d))
		r, err := d.hold()
		require.NoError(t, err)
		var same Dict[string, *Dict[string, *Dict[string, any]]]
		same.set(r)
		require.NoError(t, same.Set(t.Context(), "c", circle))
		for _, p := range []*proxy{&d.proxy, &circle.proxy, &same.proxy} {
			require.NoError(t, p.Close())
		}
		require.NoError(t, m.c.flush(t.Context()))
	}
}

// A proxy is closed while it leaves: others of the same object go on.
func TestCloseWhileLeaving(t *testing.T) {
	m, err := New(t.Context(), nil)
	require.NoError(t, err)
	defer m.Close()
	first, err := NewDict[string, int](t.Context(), m)
	require.NoError(t, err)
	for range 300 {
		r, err := first.hold()
		require.NoError(t, err)
		d := new(Dict[string, int])
		d.set(r)
		var wg sync.WaitGroup
		wg.Go(func() { require.NoError(t, d.Close()) })
		_, hs, err := handle.Encode(d.MarshalBinary)
		if err != nil {
			require.ErrorIs(t, err, ErrClosed)
		}
		for _, h := range hs {
			h.Failed()
		}
		wg.Wait()
		r, _ = first.use()
		m.c.mu.Lock()
		users := r.users
		m.c.mu.Unlock()
		require.Equal(t, 1, users)
	}
	require.NoError(t, first.Close())
	noneLeft(t, m)
}
