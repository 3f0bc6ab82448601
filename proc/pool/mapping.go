package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// mapping is one Map or Imap. It is used by the goroutine that called, but for what is
// under mu.
type mapping[A, R any] struct {
	task  *Task[A, R]
	core  *core
	ctx   context.Context
	opts  MapOptions
	size  *sizer
	bytes int // most bytes of a message

	began    time.Time
	reported time.Time
	progress Progress

	then    func(*lot[A, R]) // over
	news    chan struct{}    // something has ended
	patient bool             // nobody wants to know of each

	mu    sync.Mutex
	open  *lot[A, R]   // not submitted yet
	flush *time.Timer  // submits it
	added int          // tasks
	under lots[A, R]   // submitted, and not over
	held  int          // bytes of these
	ready []*lot[A, R] // over, and not taken
	spare *lot[A, R]   // to be used again, one behind the other
	err   error        // why no more can be submitted
}

// The bounds of what is under way, and how long a task waits for others.
const (
	windowLots  = 128 // for each worker
	windowBytes = 64 << 20
	patience    = time.Millisecond
	chunkShare  = 8 // of a ring, which a message of several tasks takes at most
)

func newMapping[A, R any](ctx context.Context, t *Task[A, R], p *Pool, o *MapOptions) (*mapping[A, R], error) {
	m := &mapping[A, R]{
		task: t, core: p.core, ctx: ctx, bytes: p.ring / chunkShare,
		began: time.Now(), news: make(chan struct{}, 1),
	}
	if o != nil {
		m.opts = *o
	}
	if m.opts.Every == 0 {
		m.opts.Every = 100 * time.Millisecond
	}
	m.reported = m.began
	m.then = m.over
	m.size = newSizer(m.opts.Chunk)
	if m.opts.Chunk < 0 || m.opts.Chunk > maxTasks || m.opts.Window < 0 || m.opts.Every < 0 || m.opts.Total < 0 {
		return nil, fmt.Errorf("%w: Chunk %d, Window %d, Every %v, Total %d", ErrOption, m.opts.Chunk, m.opts.Window, m.opts.Every, m.opts.Total)
	}
	return m, errors.Join(t.travel(), ctx.Err())
}

// add adds a task. It says whether it has submitted what was added, and so there may be
// something to do; and whether more can be added.
func (m *mapping[A, R]) add(a A) (sent, ok bool) {
	m.mu.Lock()
	if l := m.open; l != nil && l.stride >= 0 && m.err == nil && l.n > 0 && l.n+1 < l.most {
		l.args = append(l.args, a) // most of the time that is all
		l.n++
		m.added++
		m.mu.Unlock()
		return false, true
	}
	defer m.mu.Unlock()
	if m.err != nil {
		return true, false
	}
	if m.open == nil {
		m.start()
		m.open.args = slices.Grow(m.open.args, m.open.most)
	}
	alone, err := m.open.add(a, m.core.opts.MaxMessage)
	if alone && m.open.cargo == nil { // not with these
		m.submit()
		m.start()
		alone, err = m.open.add(a, m.core.opts.MaxMessage)
	}
	m.added++
	switch {
	case err != nil:
		m.stillborn(err)
	case alone, m.open.stride < 0 && (m.open.n >= m.size.size() || m.open.bytes >= m.bytes), m.open.stride >= 0 && m.open.n >= m.open.most:
		m.submit()
	case m.open.n == 1:
		m.wake()
	}
	return m.open == nil, m.err == nil
}

// addSome submits some of the inputs, which are not empty, as a lot. It says how many, and
// whether more can be added.
func (m *mapping[A, R]) addSome(inputs []A) (n int, ok bool) {
	if m.task.args.stride() <= 0 {
		_, ok := m.add(inputs[0])
		return 1, ok
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return 0, false
	}
	m.start()
	l := m.open
	// Not so many that others have nothing to do in the end.
	n = min(l.most, len(inputs))
	if m.opts.Chunk == 0 {
		n = min(n, len(inputs)/(2*m.core.size)+1)
	}
	l.args, l.n, l.borrowed = inputs[:n:n], n, true
	m.added += n
	m.submit()
	return n, m.err == nil
}

// wake has the open lot submitted soon, in case that the input is slow.
func (m *mapping[A, R]) wake() {
	if m.flush == nil {
		m.flush = time.AfterFunc(patience, m.submitOpen)
	} else {
		m.flush.Reset(patience)
	}
}

func (m *mapping[A, R]) submitOpen() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.submit()
}

// submit submits the open lot, if there is one.
func (m *mapping[A, R]) submit() {
	l := m.open
	if l == nil || l.n == 0 || m.err != nil {
		return
	}
	m.open = nil
	if l.stride >= 0 {
		l.bytes = l.n * l.stride
	}
	m.under.add(l)
	m.held += l.bytes
	if err := l.submit(m.core); err != nil {
		m.under.remove(l)
		m.held -= l.bytes
		if errors.Is(err, ErrArgument) { // it is too large: nobody else's trouble
			l.failRest(err)
			m.ready = append(m.ready, l)
			return
		}
		m.err = err
	}
}

// stillborn is a task whose argument cannot travel.
func (m *mapping[A, R]) stillborn(err error) {
	m.submit()
	m.open = nil
	l := &lot[A, R]{first: m.added - 1, out: make([]R, 1)}
	l.n = 1
	l.fail(0, err)
	m.ready = append(m.ready, l)
}

// over is called when a lot is.
func (m *mapping[A, R]) over(l *lot[A, R]) {
	m.mu.Lock()
	m.under.remove(l)
	m.held -= l.bytes
	m.ready = append(m.ready, l)
	early := m.patient && m.under.n > m.core.size*windowLots/2 && len(l.errs) == 0
	m.mu.Unlock()
	if early {
		return // whoever waits, waits for room, and goes on when there is some more
	}
	select {
	case m.news <- struct{}{}:
	default: // it is known
	}
}

// full says whether as much is under way as there should be.
func (m *mapping[A, R]) full() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.under.n
	return n >= m.core.size*windowLots || m.held >= windowBytes && n >= 2*m.core.size
}

// left says whether something is not over, or was not taken.
func (m *mapping[A, R]) left() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.under.n+len(m.ready) > 0
}

// wait waits until something is over.
func (m *mapping[A, R]) wait() error {
	select {
	case <-m.news:
		return nil
	case <-m.ctx.Done():
		return m.ctx.Err()
	}
}

// abandon drops what is under way.
func (m *mapping[A, R]) abandon(err error) {
	m.mu.Lock()
	if m.err == nil {
		m.err = err
	}
	if m.flush != nil {
		m.flush.Stop()
	}
	m.open = nil
	var all []*lot[A, R]
	for l := m.under.first; l != nil; l = l.after {
		all = append(all, l)
	}
	m.mu.Unlock()
	for _, l := range all {
		m.core.cancel(&l.batch, err)
	}
}

// inputErr is why the input has ended, nil if it simply has.
func (m *mapping[A, R]) inputErr() error {
	if m.opts.Err == nil {
		return nil
	}
	return m.opts.Err()
}

// failure is why no more could be submitted.
func (m *mapping[A, R]) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}
