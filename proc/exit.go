package proc

import (
	"context"
	"os"
	"slices"
	"sync"

	"github.com/shmkit/shmkit/internal/shmfile"
)

// exits are the functions that AtExit registered, in that order.
var exits struct {
	sync.Mutex
	list []*exitFunc
}

type exitFunc struct {
	priority int
	once     sync.Once
	fn       func()
}

// AtExit registers fn to be called when this process ends through Exit, or as a
// child whose function returns. Higher priorities come first, later ones of
// the same priority before earlier ones. Negative priorities run when the
// children have been waited for, the others before. The functions run one
// after the other and may call AtExit, but not Exit.
//
// Call run to have fn called now, and not again. No function runs when the
// process ends in another way: os.Exit, a panic, a signal.
func AtExit(priority int, fn func()) (run func()) {
	e := &exitFunc{priority: priority, fn: fn}
	exits.Lock()
	exits.list = append(exits.list, e)
	exits.Unlock()
	return func() {
		exits.Lock()
		if i := slices.Index(exits.list, e); i >= 0 {
			exits.list = slices.Delete(exits.list, i, i+1)
		}
		exits.Unlock()
		e.once.Do(e.fn)
	}
}

// runExits calls the functions whose priority is at least the lowest, including
// those that are registered meanwhile.
func runExits(lowest int) {
	for {
		e := takeExit(lowest)
		if e == nil {
			return
		}
		e.once.Do(e.fn)
	}
}

func takeExit(lowest int) *exitFunc {
	exits.Lock()
	defer exits.Unlock()
	best := -1
	for i, e := range exits.list {
		if e.priority >= lowest && (best < 0 || e.priority >= exits.list[best].priority) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	e := exits.list[best]
	exits.list = slices.Delete(exits.list, best, best+1)
	return e
}

var exiting sync.Mutex

// Exit ends this process in order: it calls the functions of AtExit with
// priority 0 and above, sends SIGTERM to the children that are daemons, waits
// for those that are not, calls the remaining functions, closes the ends of
// pipes, removes the names of shared objects that go with this process
// (shm.OwnerCreator, and shm.OwnerUsers where it is the last user), and exits with the code. A second call, from another goroutine, blocks
// until the first is through.
//
// A child ends so by itself when its function returns. A program whose own main
// returns just ends: its daemons are killed, its other children go on.
func Exit(code int) {
	exiting.Lock() // never unlocked
	runExits(0)
	for _, p := range Children() {
		if p.daemon {
			p.Terminate() // one that ignores it is killed when we are gone
		}
	}
	for _, p := range Children() {
		if !p.daemon {
			p.Wait(context.Background())
		}
	}
	runExits(-int(^uint(0)>>1) - 1)
	openConns.close()
	shmfile.Release()
	os.Exit(code)
}
