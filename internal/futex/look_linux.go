//go:build !explore

package futex

import (
	"sync"
	"time"
)

// lookEvery is the time between two looks while somebody sleeps.
const lookEvery = 50 * time.Millisecond

var look struct {
	sync.Mutex
	first   *waiter
	gen     uint64
	running bool
}

// lookAt lets the look watch over wt until lookAway.
func lookAt(wt *waiter) {
	look.Lock()
	look.gen++
	wt.gen = look.gen
	wt.prev, wt.next = nil, look.first
	if look.first != nil {
		look.first.prev = wt
	}
	look.first = wt
	wt.decide()
	start := !look.running
	look.running = true
	look.Unlock()
	if start {
		go lookLoop()
	}
}

// lookFor lets the look ask gone for wt, which it watches over already.
func lookFor(wt *waiter, gone func() bool) {
	look.Lock()
	wt.gone = gone
	look.Unlock()
}

func lookAway(wt *waiter) {
	look.Lock()
	if wt.prev != nil {
		wt.prev.next = wt.next
	} else {
		look.first = wt.next
	}
	if wt.next != nil {
		wt.next.prev = wt.prev
	}
	wt.prev, wt.next = nil, nil
	wt.gen = 0
	look.Unlock()
}

// lookLoop looks until a look finds nobody asleep.
func lookLoop() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for range tick.C {
		refreshProcs()
		if !lookOnce() {
			return
		}
	}
}

type suspect struct {
	wt   *waiter
	gen  uint64
	gone func() bool
}

// lookOnce reads every sleeper's condition again. It says whether anybody
// sleeps.
func lookOnce() bool {
	var suspects []suspect
	look.Lock()
	if look.first == nil {
		look.running = false
		look.Unlock()
		return false
	}
	for wt := look.first; wt != nil; wt = wt.next {
		if wt.changed() {
			wt.rouseAny()
		} else if wt.gone != nil {
			suspects = append(suspects, suspect{wt, wt.gen, wt.gone})
		}
	}
	look.Unlock()
	for _, s := range suspects {
		// gone may make system calls, so it runs without the lock; the
		// sleeper may have left meanwhile, and its waiter serve another.
		if yes, lost := ask(s.gone); !yes && !lost {
			continue
		}
		look.Lock()
		if s.wt.gen == s.gen {
			s.wt.rouseAny()
		}
		look.Unlock()
	}
	return true
}

// rouseAny rouses a sleeper wherever it sleeps: in the kernel, or behind one
// who does.
func (wt *waiter) rouseAny() {
	wt.signal()
	wt.rouse()
}

// Evict ends the sleep of everybody in this process who sleeps on a word of
// memory that is about to be closed, when gone is false: they get an error that
// wraps os.ErrClosed, and can still undo what they have announced. mem.Find must
// deny the memory already, so that nobody comes again who could not be woken any
// more. Evict is called once more, with gone, when the memory has been replaced.
func Evict(from, to uintptr, gone bool) {
	for round := 0; evict(from, to, gone, round < evictRounds) && !gone; round++ {
		time.Sleep(evictAgain)
	}
}

// evict is one round. It says whether there has to be another one: who cannot be
// woken any more later on must leave before the memory goes, the others should.
func evict(from, to uintptr, gone, wait bool) (again bool) {
	look.Lock()
	defer look.Unlock()
	for wt := look.first; wt != nil; wt = wt.next {
		if !wt.in(from, to) {
			continue
		}
		if gone {
			wt.lost.Store(true)
		}
		wt.evicted.Store(true)
		wt.rouseAny()
		again = again || wait || wt.kind == forOne
	}
	return again
}

// A sleeper may be on its way into the kernel when it is woken: it is woken
// again. And callers may come back for more.
const (
	evictAgain  = 50 * time.Microsecond
	evictRounds = 100
)
