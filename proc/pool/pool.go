package pool

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/proc"
)

// MaxWorkers is how many workers one pool can have.
const MaxWorkers = 1024

// Options of New. nil and zero fields mean the defaults.
type Options struct {
	// Init runs in each worker before its first task. If it returns an error, panics or
	// exits, the pool is broken (ErrInit). A worker that is killed meanwhile is replaced.
	Init *Initializer

	// Eager starts all workers in New, which fails if one of them cannot be started or
	// its initializer fails. By default a worker is started when there is a task and no
	// idle worker.
	Eager bool

	// MaxTasks is after how many tasks a worker is replaced by a new one, 0 for never.
	MaxTasks int

	// Grace is how long a task may go on after its context has ended, because it was
	// cancelled or its time was up. Then its worker ends, as if it had died. 0 is for ever.
	Grace time.Duration

	// MaxMessage is the size in bytes of the largest argument or result, encoded;
	// default 1 GiB. Each worker takes address space for eight of them, and memory for
	// those that are under way.
	MaxMessage int

	// Process is how the workers are started: their standard streams, environment and
	// directory. Standard output and error are by default what os.Stdout and os.Stderr are
	// when New is called. Name is what their names begin with, "pool" by default. With Daemon
	// they may not have children; they end with this process in any case.
	Process proc.Options

	// Block makes neither side spin before it sleeps. By default they spin for a few
	// microseconds, as long as that has paid lately and not all processors are busy with
	// this pool's tasks.
	Block bool

	// OnPanic is told when a callback (Future.OnDone) panics, on the callback's
	// goroutine. By default Stats counts it, and no more. If OnPanic panics itself, that is
	// counted too.
	OnPanic func(CallbackPanic)
}

// A Pool runs tasks in processes of its own, its workers. All methods may be called from
// many goroutines. Whoever has no more tasks closes it; a Pool that the program has lost
// sight of is closed by the garbage collector, some time.
type Pool struct{ *core }

// core is the pool. Workers, futures and goroutines refer to it, and none of them to the
// Pool.
type core struct {
	size  int
	opts  Options
	board *board
	ring  int // bytes of each ring

	life      context.Context // ends with Terminate
	end       context.CancelFunc
	starts    chan struct{} // has room for as many as start at once
	at        []*workerRef  // by desk
	collected sync.Cond     // on mu: there is something to collect, or no more will be
	ended     chan struct{} // closed when the last worker has gone
	forget    func()        // of proc.AtExit
	panics    *panics
	poked     atomic.Bool // the collector shall look whether it is needed

	mu          sync.Mutex
	queue       []*batch      // new ones, the oldest first
	back        []*batch      // those that were under way, and come first, the last one before all
	pending     int           // batches in both that were not cancelled
	waiting     int           // tasks in the queue
	idle        []*worker     // ready, with nothing to do; the last one was busy last
	roomy       []*worker     // ready and busy, with room for more
	free        []int         // desks
	seqs        []uint64      // by desk: the last batch that was there
	live        int           // workers that were started, or are being started, and have not ended
	coming      []*worker     // of these, those that are on their way, and not late
	tolerance   time.Duration // how long that may take
	most        int           // workers that may be live; less than size after a start that failed
	stillborn   int           // workers in a row that died before they did anything
	expected    int           // answers that will come: batches, and initializers
	under       int           // batches that workers have
	finishing   int           // who is about to finish batches that nobody has any more
	spare       int           // batches that wait behind another one at their worker
	closed      bool          // nothing more is taken
	terminated  bool          // nothing more is done
	broken      error         // why nothing more can be done
	collecting  bool
	pace        time.Duration // about how long a batch takes
	look        *time.Timer   // of lookAgain
	looking     bool          // it is on its way
	pause       time.Duration // for so long
	overlooking bool          // overlook is
	patient     bool          // and has come
	finished    bool          // the collector shall end
	number      int           // of workers that were ever started
	stats       Stats
}

// New returns a pool of so many workers at most. o may be nil. Errors: ErrWorkers,
// ErrOption, ErrArgument (of the initializer), proc.ErrDaemon in a process that may not
// have children, errors.ErrUnsupported where there are none; with Options.Eager also
// ErrStart and ErrInit, and then no worker is left.
func New(workers int, o *Options) (*Pool, error) {
	c, err := newCore(workers, o)
	if err != nil {
		return nil, fmt.Errorf("make pool: %w", err)
	}
	p := &Pool{c}
	runtime.AddCleanup(p, (*core).close, c)
	if c.opts.Eager {
		if err := c.startAll(); err != nil {
			c.terminate()
			<-c.ended
			return nil, fmt.Errorf("make pool: %w", err)
		}
	}
	return p, nil
}

func newCore(workers int, o *Options) (*core, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.MaxMessage == 0 {
		opts.MaxMessage = 1 << 30
	}
	if opts.Process.Name == "" {
		opts.Process.Name = "pool"
	}
	// Workers are started at any time: what the program does to these variables later is
	// not their business.
	if opts.Process.Stdout == nil {
		opts.Process.Stdout = os.Stdout
	}
	if opts.Process.Stderr == nil {
		opts.Process.Stderr = os.Stderr
	}
	switch {
	case workers < 1 || workers > MaxWorkers:
		return nil, fmt.Errorf("%w: %d", ErrWorkers, workers)
	case opts.MaxTasks < 0 || opts.Grace < 0 || opts.MaxMessage < 0:
		return nil, fmt.Errorf("%w: MaxTasks %d, Grace %v, MaxMessage %d", ErrOption, opts.MaxTasks, opts.Grace, opts.MaxMessage)
	case opts.Init != nil && opts.Init.err != nil:
		return nil, opts.Init.err
	case proc.Current().Daemon():
		return nil, proc.ErrDaemon
	}
	b, err := newBoard(workers)
	if err != nil {
		return nil, err
	}
	c := &core{
		size: workers, opts: opts, board: b, ring: fewRing,
		starts: make(chan struct{}, runtime.NumCPU()+1),
		at:     make([]*workerRef, workers),
		seqs:   make([]uint64, workers),
		ended:  make(chan struct{}),
		most:   workers,
		pace:   time.Second, // nobody knows yet

		tolerance: leastTolerance,
	}
	if workers > fewWorkers {
		c.ring = leastRing
	}
	for i := range workers {
		c.at[i] = new(workerRef)
		c.free = append(c.free, workers-1-i)
	}
	c.collected.L = &c.mu
	c.life, c.end = context.WithCancel(context.Background())
	c.panics = &panics{tell: opts.OnPanic}
	c.forget = proc.AtExit(0, c.terminate)
	return c, nil
}

// The rings of pools with few workers are larger.
const (
	leastRing  = 64 << 10
	fewRing    = 256 << 10
	fewWorkers = 32
)

// Close makes the pool take no more tasks: those that were submitted are done, then the
// workers end, in order: functions that they gave to proc.AtExit run. Those that have
// nothing to do stay until no worker has any task, since they may have to do those of one
// that dies or is stopped. Close does not wait for that, see Join. It is idempotent.
func (p *Pool) Close() { p.close() }

func (c *core) close() {
	c.mu.Lock()
	c.closed = true
	c.pump()
	c.unlock()
}

// Terminate ends the pool now: the workers are killed, and all tasks that have not ended
// end with ErrTerminated. It does not wait for that, see Join. It is idempotent.
func (p *Pool) Terminate() { p.terminate() }

func (c *core) terminate() {
	c.mu.Lock()
	c.closed, c.terminated = true, true
	dropped := c.drop()
	c.end()
	var kill []*proc.Process
	for _, ref := range c.at {
		if w := ref.Load(); w != nil && w.process != nil {
			kill = append(kill, w.process)
		}
	}
	for _, b := range dropped {
		c.giveUp(b, ErrTerminated)
	}
	c.finishing++
	c.mu.Unlock()
	for _, p := range kill {
		p.Kill()
	}
	c.finishAll(dropped)
}

// finishAll finishes batches that nobody has any more. Whoever has counted itself in
// finishing does: until then the pool has not ended.
func (c *core) finishAll(over []*batch) {
	for _, b := range over {
		b.load.finish(b)
	}
	c.mu.Lock()
	c.finishing--
	c.pump()
	c.unlock()
}

// giveUp ends all tasks of a batch that have not ended, before they begin. Somebody
// finishes it.
func (c *core) giveUp(b *batch, err error) {
	c.stats.Cancelled += b.n - b.next
	b.failRest(err)
}

// drop empties the queue, whose batches are over then.
func (c *core) drop() []*batch {
	slices.Reverse(c.back)
	q := append(c.back, c.queue...)
	c.queue, c.back, c.pending, c.waiting = nil, nil, 0, 0
	q = slices.DeleteFunc(q, func(b *batch) bool { return b.where != queued })
	for _, b := range q {
		b.where = over
	}
	return q
}

// Join waits until all workers of a pool that was closed or terminated have ended, and
// all tasks with them; or until ctx ends, whose error it returns. Of a pool that is
// neither, it returns ErrRunning.
func (p *Pool) Join(ctx context.Context) error {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if !closed {
		return ErrRunning
	}
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Size returns how many workers the pool has at most.
func (p *Pool) Size() int { return p.size }

// unlock ends a section of mu, at the end of which the pool may have come to its own.
func (c *core) unlock() {
	end := c.closed && c.live == 0 && c.pending == 0 && c.expected == 0 && c.finishing == 0 && !c.finished
	if end {
		c.finished = true
		c.collected.Broadcast()
	}
	idle := end && !c.collecting
	c.mu.Unlock()
	if end && !idle {
		c.poke()
	}
	if idle {
		c.bury()
	}
}

// bury is the last thing that happens to a pool.
func (c *core) bury() {
	c.end()
	go c.forget() // which may be what calls this
	_ = c.board.close()
	close(c.ended)
}
