//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var torture = flag.Duration("torture", 2*time.Second, "how long TestTorture goes on")

const (
	torturers       = 8
	torturePermits  = 12
	tortureCount    = 20 // of the semaphore: enough for all at most times
	tortureOnces    = 16
	tortureParties  = 2
	tortureEpoch    = time.Second
	torturePatience = 5 * time.Millisecond // of calls that depend on others' good will
)

// rack is what the torturers share. The plain fields are guarded by the lock
// beside them, which is what the torture is about.
type rack struct {
	mu    Mutex
	guard guarded
	cond  Cond // of tokens, with mu
	rec   RecursiveMutex
	deep  guarded
	rw    RWMutex
	wide  guarded
	sem   Semaphore
	perm  Permits
	event Event
	bar   Barrier
	once  [tortureOnces]Once
	did   [tortureOnces]mem.Uint32

	stop   mem.Uint32 // the epoch is over
	ledger [torturers]ledger
}

// guarded is equal in both halves, and inside is 0, whenever nobody is inside
// who lives.
type guarded struct {
	pair   [2]uint64
	tokens uint64
	inside uint64
}

// ledger is what one torturer, or its successor, says of itself.
type ledger struct {
	_      [mem.Line]byte
	sem    mem.Uint32 // permits of sem that it surely holds
	maybe  mem.Uint32 // that it may hold as well
	passed [feats]mem.Uint32
}

// The feats are what a torturer does, at random.
const (
	featLock = iota
	featRecurse
	featWrite
	featRead
	featSemaphore
	featPermits
	featPut
	featTake
	featSet
	featWait
	featBarrier
	featOnce
	feats
)

var featNames = [feats]string{"lock", "recurse", "write", "read", "semaphore", "permits", "put", "take", "set", "wait", "barrier", "once"}

// change is what somebody does inside.
func (g *guarded) change(c *testproc.Child) {
	require.Zero(c, g.inside, "somebody else is inside")
	g.inside = uint64(os.Getpid())
	require.Equal(c, g.pair[0], g.pair[1], "nobody said that the last one died")
	g.pair[0]++
	mem.Pause(rand.Uint32N(tortureInside)) // some are killed here
	g.pair[1]++
	g.inside = 0
}

// tortureInside is how long somebody may stay inside, some 20 µs.
const tortureInside = 1000

func (g *guarded) repair() error {
	g.pair[1] = g.pair[0]
	g.inside = 0
	return nil
}

// torturer is one process.
type torturer struct {
	c *testproc.Child
	r *rack
	l *ledger
}

var _ = testproc.Helper("torture.torturer", func(c *testproc.Child) {
	r, _ := mapTorture(c, c.Files[0], c.Args[0])
	i, _ := strconv.Atoi(c.Args[1])
	t := &torturer{c, r, &r.ledger[i]}
	for r.stop.Load() == 0 {
		feat := rand.IntN(feats)
		if t.do(feat) {
			t.l.passed[feat].Add(1)
		}
	}
})

func (t *torturer) soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Duration(rand.Int64N(int64(torturePatience))))
}

// late says whether err is the end of a context, and fails for other errors.
func (t *torturer) late(err error) bool {
	if err != nil {
		require.ErrorIs(t.c, err, context.DeadlineExceeded)
	}
	return err != nil
}

// locked brings what lock returned to success, if it may.
func (t *torturer) locked(err error, repair func(context.Context, func() error) error, g *guarded) bool {
	if errors.Is(err, ErrOwnerDied) {
		err = repair(context.Background(), g.repair)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrLocked) {
		return false
	}
	require.NoError(t.c, err)
	return true
}

// some locks in one of the ways there are.
func (t *torturer) some(lock func() error, lockContext func(context.Context) error, try func() error) error {
	switch rand.IntN(3) {
	case 0:
		return lock()
	case 1:
		return try()
	}
	ctx, cancel := t.soon()
	defer cancel()
	return lockContext(ctx)
}

// do performs one feat, and says whether it came to a good end.
func (t *torturer) do(feat int) bool {
	r := t.r
	switch feat {
	case featLock:
		if !t.locked(t.some(r.mu.Lock, r.mu.LockContext, r.mu.TryLock), r.mu.LockRepair, &r.guard) {
			return false
		}
		r.guard.change(t.c)
		r.mu.Unlock()
	case featRecurse:
		h := r.rec.Holder()
		if !t.locked(t.some(h.Lock, h.LockContext, h.TryLock), h.LockRepair, &r.deep) {
			return false
		}
		require.NoError(t.c, h.Lock())
		r.deep.change(t.c)
		h.Unlock()
		h.Unlock()
	case featWrite:
		if !t.locked(t.some(r.rw.Lock, r.rw.LockContext, r.rw.TryLock), r.rw.LockRepair, &r.wide) {
			return false
		}
		r.wide.change(t.c)
		r.rw.Unlock()
	case featRead:
		err := t.some(r.rw.RLock, r.rw.RLockContext, r.rw.TryRLock)
		if errors.Is(err, ErrOwnerDied) || errors.Is(err, ErrLocked) || errors.Is(err, context.DeadlineExceeded) {
			return false
		}
		require.NoError(t.c, err)
		seen := r.wide.pair
		require.Zero(t.c, r.wide.inside, "a writer is inside")
		require.Equal(t.c, seen[0], seen[1])
		mem.Pause(100)
		require.Equal(t.c, seen, r.wide.pair, "a writer is inside")
		r.rw.RUnlock()
	case featSemaphore:
		return t.semaphore()
	case featPermits:
		return t.permits()
	case featPut:
		if !t.locked(r.mu.Lock(), r.mu.LockRepair, &r.guard) {
			return false
		}
		r.guard.tokens++
		if rand.IntN(4) == 0 {
			r.cond.Broadcast()
		} else {
			r.cond.Signal()
		}
		r.mu.Unlock()
	case featTake:
		return t.take()
	case featSet:
		r.event.Set()
		if rand.IntN(2) == 0 {
			r.event.Clear()
		}
	case featWait:
		ctx, cancel := t.soon()
		defer cancel()
		return !t.late(r.event.Wait(ctx))
	case featBarrier:
		ctx, cancel := context.WithTimeout(context.Background(), torturePatience)
		defer cancel()
		i, err := r.bar.Wait(ctx)
		if errors.Is(err, ErrBroken) {
			t.late(r.bar.Reset(ctx))
			return false
		}
		require.NoError(t.c, err)
		require.Less(t.c, i, tortureParties)
	case featOnce:
		i := rand.IntN(tortureOnces)
		ctx, cancel := t.soon()
		defer cancel()
		if t.late(r.once[i].Do(ctx, func() error {
			if rand.IntN(3) == 0 {
				return nil
			}
			r.did[i].Store(1)
			return nil
		})) {
			return false
		}
	}
	return true
}

func (t *torturer) semaphore() bool {
	k := 1 + rand.IntN(3)
	ctx, cancel := t.soon()
	defer cancel()
	t.l.maybe.Store(uint32(k))
	if t.late(t.r.sem.Acquire(ctx, k)) {
		t.l.maybe.Store(0)
		return false
	}
	t.l.sem.Store(uint32(k))
	t.l.maybe.Store(0)
	mem.Pause(rand.Uint32N(1000))
	t.l.maybe.Store(uint32(k))
	t.l.sem.Store(0)
	require.NoError(t.c, t.r.sem.Release(k))
	t.l.maybe.Store(0)
	return true
}

func (t *torturer) permits() bool {
	k := 1 + rand.IntN(torturePermits/2)
	ctx, cancel := t.soon()
	defer cancel()
	if t.late(t.r.perm.Acquire(ctx, k)) {
		return false
	}
	mem.Pause(rand.Uint32N(1000))
	require.NoError(t.c, t.r.perm.Release(k))
	return true
}

func (t *torturer) take() bool {
	r := t.r
	if !t.locked(r.mu.Lock(), r.mu.LockRepair, &r.guard) {
		return false
	}
	ctx, cancel := t.soon()
	defer cancel()
	err := r.cond.WaitFor(ctx, &r.mu, func() bool { return r.guard.tokens > 0 })
	if errors.Is(err, ErrOwnerDied) {
		return false // not held
	}
	if err == nil {
		require.NotZero(t.c, r.guard.tokens)
		r.guard.tokens--
	}
	r.guard.change(t.c)
	r.mu.Unlock()
	return !t.late(err)
}

func mapTorture(t require.TestingT, f *os.File, place string) (*rack, func() error) {
	size := int(unsafe.Sizeof(rack{}))
	if place == "foreign" {
		b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(t, err)
		return (*rack)(unsafe.Pointer(&b[0])), func() error { return errors.Join(Forget(b), unix.Munmap(b)) }
	}
	m, err := mem.Map(f, size, mem.Options{})
	require.NoError(t, err)
	return (*rack)(unsafe.Pointer(&m.Bytes()[0])), func() error { return robust.Unmap(m) }
}

// Processes do random things to all kinds of locks while a killer kills, stops
// and replaces one of them every few milliseconds. Whoever finds a promise
// broken fails; whoever hangs is found by the watchdog. An epoch ends with a
// count of what there must be; in one of four they are only stopped, and the
// count is exact.
//
//	go test -run Torture ./semaphore -args -torture 60s
func TestTorture(t *testing.T) {
	f := newFile(t, int64(unsafe.Sizeof(rack{})))
	r, unmap := mapTorture(t, f, "near")
	r.rec.Init()
	r.mu.Init()
	require.NoError(t, r.sem.Init(tortureCount, tortureCount))
	require.NoError(t, r.perm.Init(torturePermits))
	require.NoError(t, r.bar.Init(tortureParties))
	var passed [feats]int
	var kills, stops int
	epochs := 0
	for end := time.Now().Add(*torture); time.Now().Before(end) && !t.Failed(); epochs++ {
		t.Run(strconv.Itoa(epochs), func(t *testing.T) {
			e := &epoch{t: t, f: f, r: r, peaceful: epochs%4 == 1}
			e.run(min(tortureEpoch, time.Until(end)))
			kills += e.kills
			stops += e.stops
		})
		for i := range r.ledger {
			for feat := range passed {
				passed[feat] += int(r.ledger[i].passed[feat].Swap(0))
			}
		}
	}
	require.NoError(t, unmap())
	for feat, n := range passed {
		t.Logf("%10s %d", featNames[feat], n)
		require.NotZero(t, n, "nobody ever managed to %s", featNames[feat])
	}
	t.Logf("%d epochs, %d killed, %d stopped", epochs, kills, stops)
}

type epoch struct {
	t     *testing.T
	f     *os.File
	r     *rack
	procs [torturers]*testproc.Proc
	lost  uint32 // permits of the semaphore that the dead may have held

	peaceful bool // nobody is killed, so nothing may be lost

	kills, stops int
}

func (e *epoch) start(i int) {
	e.r.ledger[i].sem.Store(0)
	e.r.ledger[i].maybe.Store(0)
	place := places[rand.IntN(len(places))]
	e.procs[i] = testproc.Start(e.t, "torture.torturer", testproc.Files(e.f), testproc.Args(place, strconv.Itoa(i)))
}

func (e *epoch) run(d time.Duration) {
	e.r.stop.Store(0)
	for i := range e.procs {
		e.start(i)
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(time.Duration(1+rand.IntN(5)) * time.Millisecond) // sleep: the torturers' time
		i := rand.IntN(torturers)
		if p := e.procs[i]; e.peaceful || rand.IntN(4) == 0 {
			if p.Stop() {
				e.stops++
				time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond) // sleep: the others' time
				p.Cont()
			}
		} else {
			e.kill(i)
			e.start(i)
		}
	}
	e.r.stop.Store(1)
	for _, p := range e.procs {
		p.Succeed()
	}
	e.count()
}

func (e *epoch) kill(i int) {
	p := e.procs[i]
	p.Kill()
	if s := p.Wait().Sys().(syscall.WaitStatus); !s.Signaled() {
		p.Succeed() // or say why it did not
	}
	e.kills++
	l := &e.r.ledger[i]
	if k := l.sem.Load(); k != 0 {
		require.NoError(e.t, e.r.sem.Release(int(k)))
	} else {
		e.lost += l.maybe.Load()
	}
}

// count takes stock when nobody is left.
func (e *epoch) count() {
	t, r := e.t, e.r
	for name, lock := range map[string]struct {
		repair func(context.Context, func() error) error
		unlock func()
		g      *guarded
	}{
		"Mutex":   {r.mu.LockRepair, r.mu.Unlock, &r.guard},
		"RWMutex": {r.rw.LockRepair, r.rw.Unlock, &r.wide},
	} {
		require.NoError(t, lock.repair(t.Context(), lock.g.repair), name)
		require.Zero(t, lock.g.inside, name)
		require.Equal(t, lock.g.pair[0], lock.g.pair[1], name)
		lock.unlock()
	}
	v := r.sem.Value()
	require.LessOrEqual(t, v, tortureCount)
	require.GreaterOrEqual(t, v, tortureCount-int(e.lost), "permits of the semaphore are lost")
	if v < tortureCount {
		require.NoError(t, r.sem.Release(tortureCount-v))
	}
	await(t, func() bool { return r.perm.Available() == torturePermits })
	require.Empty(t, r.perm.Holders())
	require.NoError(t, r.perm.TryAcquire(torturePermits))
	require.NoError(t, r.perm.Release(torturePermits))
	for i := range r.once {
		require.NoError(t, r.once[i].Do(t.Context(), func() error { return nil }))
		r.once[i] = Once{}
	}
}
