//go:build crashpoints

package crashpoint

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Enabled says whether this program was built with its crash points live.
const Enabled = true

// Hit marks a crash point. The process dies or stops here if the environment
// says so.
func Hit(name string) {
	if live().hit(name) {
		fire(live().signal)
	}
}

// points is what this process knows about its crash points.
type points struct {
	armed  string
	nth    int
	signal unix.Signal
	log    string

	mu   sync.Mutex
	hits map[string]int
}

var live = sync.OnceValue(func() *points {
	p := &points{
		nth:    1,
		signal: unix.SIGKILL,
		log:    os.Getenv("SHMKIT_CRASHLOG"),
		hits:   make(map[string]int),
	}
	if err := p.arm(os.Getenv("SHMKIT_CRASHPOINT")); err != nil {
		panic(err)
	}
	return p
})

func (p *points) arm(spec string) error {
	f := strings.Split(spec, ":")
	p.armed = f[0]
	if len(f) > 1 {
		n, err := strconv.Atoi(f[1])
		if err != nil || n < 1 {
			return fmt.Errorf("crashpoint: SHMKIT_CRASHPOINT=%q: the hit is not a positive number", spec)
		}
		p.nth = n
	}
	if len(f) > 2 {
		if f[2] != "stop" || len(f) > 3 {
			return fmt.Errorf("crashpoint: SHMKIT_CRASHPOINT=%q: want name[:hit[:stop]]", spec)
		}
		p.signal = unix.SIGSTOP
	}
	return nil
}

// hit counts one hit and reports whether it is the one that fires.
func (p *points) hit(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hits[name]++
	n := p.hits[name]
	if n == 1 {
		p.note(name)
	}
	if name != p.armed || n != p.nth {
		return false
	}
	p.note(name + " fired")
	return true
}

// note appends a line to the log in one write, so that lines of several
// processes never mix.
func (p *points) note(line string) {
	if p.log == "" {
		return
	}
	f, err := os.OpenFile(p.log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		panic(fmt.Errorf("crashpoint: open SHMKIT_CRASHLOG: %w", err))
	}
	defer f.Close()
	if _, err := f.WriteString(line + "\n"); err != nil {
		panic(fmt.Errorf("crashpoint: write SHMKIT_CRASHLOG: %w", err))
	}
}

// fire sends sig to the calling thread: unlike a signal to the process, which
// the kernel may give to any thread, it takes effect before this thread returns
// to user mode, hence exactly here.
func fire(sig unix.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Tgkill(unix.Getpid(), unix.Gettid(), sig); err != nil {
		panic(fmt.Errorf("crashpoint: send %v to self: %w", sig, err))
	}
	if sig == unix.SIGKILL {
		select {}
	}
}
