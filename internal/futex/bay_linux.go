//go:build !explore

package futex

import (
	"context"
	"sync"

	"github.com/shmkit/shmkit/internal/mem"
)

// A bay holds the sleepers of the words that fall into it. For each word and
// value one of them, the leader, sleeps in the kernel; the others follow it in
// Go's scheduler, because a goroutine in the kernel costs a thread, and the
// runtime aborts at 10 000. Whoever leaves the kernel, for whatever reason, sends
// those away whose value is no longer there and the next of the rest into the
// kernel: a wake that reaches a leader reaches the group.
//
// Nobody follows one who sleeps on another value. On its way into the kernel that
// one misses a change to its own value, and whoever made it finds nobody to wake.
type bay struct {
	sync.Mutex
	leaders []*waiter
}

var bays [64]bay

func bayOf(w *mem.Uint32) *bay { return &bays[addr64(w)>>4*0x9e3779b97f4a7c15>>58] }

func (b *bay) leader(w Word) *waiter {
	for _, l := range b.leaders {
		if l.words[0] == w {
			return l
		}
	}
	return nil
}

// Sleep is SleepAny for one word. Goroutines that sleep on the same value of the
// same word share a thread, and the look asks only one of them whether the
// reason to wait is gone: it must be the same for all, and show in the word.
func Sleep(ctx context.Context, w *mem.Uint32, val uint32, gone func() bool) error {
	makeWay()
	wt := newWaiter(ctx, gone, Word{w, val})
	b := bayOf(w)
	b.Lock()
	leader := b.leader(wt.words[0])
	if leader == nil {
		b.leaders = append(b.leaders, wt)
	} else {
		wt.gone = nil // the leader asks for all
		leader.followers = append(leader.followers, wt)
	}
	b.Unlock()
	lookAt(wt)
	var err error
	lead := leader == nil
	if !lead && b.follow(ctx, wt) {
		lead = true
		lookFor(wt, gone)
	}
	if lead {
		if !wt.changed() {
			err = wt.sleep(ctx)
		}
		b.leave(wt)
	} else {
		err = ctx.Err()
	}
	return wt.finish(err)
}

// follow waits until the leader sends wt away (false) or makes it the leader
// (true), or until there is reason to leave by itself (false).
func (b *bay) follow(ctx context.Context, wt *waiter) bool {
	// A sleep begins only while the word holds the value. The leader's began
	// earlier, so this one is checked here, once the leader knows of wt.
	if !wt.changed() {
		select {
		case <-wt.ready:
		case <-ctx.Done():
		}
	}
	b.Lock()
	defer b.Unlock()
	l := b.leader(wt.words[0])
	if l == wt {
		return true
	}
	if l != nil {
		for i, f := range l.followers {
			if f == wt {
				l.followers = append(l.followers[:i], l.followers[i+1:]...)
				break
			}
		}
	}
	return false
}

// leave ends wt's leadership.
func (b *bay) leave(wt *waiter) {
	b.Lock()
	defer b.Unlock()
	var stay []*waiter
	for _, f := range wt.followers {
		if f.changed() {
			f.signal()
		} else {
			stay = append(stay, f)
		}
	}
	for i, l := range b.leaders {
		if l != wt {
			continue
		}
		if len(stay) > 0 {
			next := stay[0]
			next.followers = stay[1:]
			b.leaders[i] = next
			next.signal()
		} else {
			last := len(b.leaders) - 1
			b.leaders[i] = b.leaders[last]
			b.leaders[last] = nil
			b.leaders = b.leaders[:last]
		}
		return
	}
}

func (wt *waiter) signal() {
	select {
	case wt.ready <- struct{}{}:
	default:
	}
}
