package testproc

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Watchdog is how long anything in a test may take: far more than it needs on a
// busy machine. It is a last resort, never part of what is tested.
const Watchdog = 60 * time.Second

// stuck dumps the child's stacks and this process's own, and fails the test.
func (p *Proc) stuck(what string) {
	p.t.Helper()
	p.dump.Do(func() {
		p.signal(contSignal) // a stopped process cannot dump itself
		p.signal(quitSignal)
		select {
		case <-p.exited:
		case <-time.After(5 * time.Second):
			p.signal(killSignal)
			<-p.exited
		}
	})
	p.t.Fatalf("helper %q %s for %v; its stacks are in its stderr below; this process:\n%s",
		p.name, what, Watchdog, stacks())
}

// Within runs fn, which has to return before the watchdog bites. It is for waits
// of the test process itself. fn must not call t.FailNow, as it runs on a
// goroutine of its own.
func Within(t testing.TB, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	select {
	case <-done:
	case <-time.After(Watchdog):
		t.Fatalf("still busy after %v; stacks:\n%s", Watchdog, stacks())
	}
}

func stacks() []byte {
	buf := make([]byte, 1<<20)
	return buf[:runtime.Stack(buf, true)]
}

// runID names this run of the test binary: in its descendants' environment and
// in the names they give to objects.
var runID = sync.OnceValue(func() string {
	return fmt.Sprintf("shmkit-test-%d-%x", os.Getpid(), time.Now().UnixNano())
})
