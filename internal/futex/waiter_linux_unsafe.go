//go:build linux && !explore

package futex

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"golang.org/x/sys/unix"
)

// waiter is one sleeping goroutine. It lives on the heap: the kernel reads
// vec and end while it sleeps.
type waiter struct {
	words [MaxWords]Word
	n     int
	gone  func() bool
	kind  waitKind    // how the kernel is asked to wait; under the look's lock
	end   mem.Uint32  // private: 1 ends the kernel's wait, unless that is for one word
	lost  atomic.Bool // a word's memory is gone

	evicted atomic.Bool // a word's memory is about to be closed by this process

	endless bool // no context ends the wait
	vec     [MaxWords + 1]waitv
	until   unix.Timespec

	// For sleepers that share a thread (bay.go), under the bay's lock.
	ready     chan struct{}
	followers []*waiter

	// For the look (look.go), under its lock.
	next, prev *waiter
	gen        uint64
}

var waiters = sync.Pool{New: func() any { return &waiter{ready: make(chan struct{}, 1)} }}

// waitKind says how the kernel is asked to wait.
type waitKind int

const (
	forOne   waitKind = iota // for one word, until it is woken
	forMany                  // for several and for end
	inSlices                 // like forMany, where the kernel has no such call
)

// lasting says whether w cannot vanish under a sleeper, as the words of a
// truncated file do: nobody can be woken there.
func lasting(w *mem.Uint32) bool {
	live, truncatable := mem.Find(unsafe.Pointer(w))
	return live && !truncatable
}

func newWaiter(ctx context.Context, gone func() bool, words ...Word) *waiter {
	wt := waiters.Get().(*waiter)
	wt.n = copy(wt.words[:], words)
	wt.gone = gone
	wt.end.Store(0)
	wt.endless = ctx.Done() == nil
	wt.lost.Store(false)
	wt.evicted.Store(false)
	return wt
}

// decide sets the kind. It is called when the look knows of wt: so Evict either
// finds it, or has retired the memory before.
func (wt *waiter) decide() {
	switch {
	case wt.n == 1 && wt.endless && lasting(wt.words[0].Addr):
		wt.kind = forOne
	case haveWaitv():
		wt.kind = forMany
	default:
		wt.kind = inSlices
	}
	// Words that are waited for together lie in one object, or whoever waits keeps
	// their memory from being closed.
	if mem.Closed(unsafe.Pointer(wt.words[0].Addr)) {
		wt.lost.Store(true)
	}
}

// in says whether wt sleeps on a word in [from, to).
func (wt *waiter) in(from, to uintptr) bool {
	for _, w := range wt.words[:wt.n] {
		if a := uintptr(addr64(w.Addr)); a >= from && a < to {
			return true
		}
	}
	return false
}

func (wt *waiter) free() {
	wt.gone = nil
	wt.followers = nil
	select {
	case <-wt.ready:
	default:
	}
	waiters.Put(wt)
}

// finish ends the sleep that ended with err.
func (wt *waiter) finish(err error) error {
	lookAway(wt)
	switch {
	case err != nil:
	case wt.lost.Load() && mem.Closed(unsafe.Pointer(wt.words[0].Addr)):
		err = errClosed
	case wt.lost.Load():
		err = ErrFault
	case wt.evicted.Load():
		err = errEvicted
	}
	wt.free()
	return err
}

// changed reads the words. One whose memory is gone has changed too.
func (wt *waiter) changed() bool {
	yes, lost := ask(wt.differs)
	if lost {
		wt.lost.Store(true)
	}
	return yes || wt.lost.Load() || wt.evicted.Load()
}

func (wt *waiter) differs() bool {
	for _, w := range wt.words[:wt.n] {
		if w.changed() {
			return true
		}
	}
	return false
}

// rouse ends the wait of a sleeper for whom the look found news.
func (wt *waiter) rouse() {
	wt.end.Store(1)
	switch wt.kind {
	case forOne: // with whoever else sleeps there: a wake is a hint
		WakeAll(wt.words[0].Addr)
	case forMany:
		sysWakePrivate(&wt.end)
	}
}

// A wait that cannot watch all its words at once is cut into slices.
const (
	firstSlice = time.Millisecond
	lastSlice  = 8 * time.Millisecond
)

// sleep waits in the kernel until a word changes or is woken, the look rouses
// it, or ctx ends. nil may be spurious.
func (wt *waiter) sleep(ctx context.Context) error {
	var until *unix.Timespec
	var stop func() bool
	cancellable := ctx.Done() != nil
	if cancellable {
		if err := ctx.Err(); err != nil {
			return err
		}
		if d, ok := ctx.Deadline(); ok {
			left := time.Until(d)
			if left <= 0 {
				return context.DeadlineExceeded
			}
			wt.until = monotonic(left)
			until = &wt.until
		}
		stop = context.AfterFunc(ctx, func() {
			// If this runs late, wt may serve another sleep by now, which
			// then wakes for nothing: allowed.
			wt.end.Store(1)
			sysWakePrivate(&wt.end)
		})
		defer stop()
	}
	var e unix.Errno
	switch wt.kind {
	case forOne:
		e = sysWait(wt.words[0].Addr, wt.words[0].Val, nil)
	case forMany:
		e = wt.waitMany(until)
	case inSlices:
		e = wt.waitSlices(until)
	}
	switch {
	case e == unix.EFAULT, e == unix.EINVAL: // EINVAL: the word is not aligned
		return ErrFault
	case e == unix.ETIMEDOUT:
		return context.DeadlineExceeded
	case cancellable:
		return ctx.Err()
	}
	return nil
}

func (wt *waiter) waitMany(until *unix.Timespec) unix.Errno {
	v := wt.vec[:wt.n+1]
	for i, w := range wt.words[:wt.n] {
		v[i] = waitv{val: uint64(w.Val), addr: addr64(w.Addr), flags: waitvSize32}
	}
	v[wt.n] = waitv{addr: addr64(&wt.end), flags: waitvSize32 | waitvPrivate}
	return sysWaitv(v, until)
}

// waitSlices stands in for futex_waitv: it sleeps on the first word for short
// times and reads the others in between.
func (wt *waiter) waitSlices(until *unix.Timespec) unix.Errno {
	for slice := firstSlice; ; slice = min(2*slice, lastSlice) {
		if wt.end.Load() != 0 || wt.changed() {
			return 0
		}
		t := monotonic(slice)
		last := until != nil && !before(&t, until)
		if last {
			t = *until
		}
		e := sysWait(wt.words[0].Addr, wt.words[0].Val, &t)
		if e != unix.ETIMEDOUT || last {
			return e
		}
	}
}

// SleepAny sleeps while every word holds its value. It returns nil after a
// wake or a change of any word, possibly for no reason; the context's error
// when ctx ends; ErrFault when a word's memory is gone, which is os.ErrClosed
// too if this process has closed it. The look asks gone, if not nil, whether
// the reason to wait has vanished, and wakes the sleeper if so; gone must be
// quick and may run on any goroutine.
func SleepAny(ctx context.Context, words []Word, gone func() bool) error {
	if len(words) == 0 || len(words) > MaxWords {
		return errors.New("futex: sleep on no words or too many")
	}
	makeWay()
	wt := newWaiter(ctx, gone, words...)
	lookAt(wt)
	var err error
	if !wt.changed() {
		err = wt.sleep(ctx)
	}
	return wt.finish(err)
}
