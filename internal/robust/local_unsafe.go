//go:build !explore

package robust

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/race"
)

// locals are all that this process has, by the address of their anchors. They
// are kept here from the garbage collector, which does not know the pointers in
// shadows; so a pointer leaves its shadow before its Local leaves the map.
var locals struct {
	sync.RWMutex
	at map[uintptr]local
}

// published stands for the words in shadows, which the race detector does not see.
var published race.Addr

type local struct {
	at    unsafe.Pointer // of the Local
	leave Local
}

// LocalOf returns this process's Local of a, nil if it has none. T is always the
// same for one anchor. In the arena it is one load of the anchor's shadow.
func LocalOf[T any](a *Anchor) *T {
	if uintptr(unsafe.Pointer(a))%8 != 0 {
		return nil // its shadow may be parts of two others
	}
	if s := mem.Shadow(unsafe.Pointer(a)); s != nil {
		p := (*atomic.Pointer[T])(s).Load()
		published.Acquire()
		return p
	}
	return (*T)(foreignLocal(a))
}

func foreignLocal(a *Anchor) unsafe.Pointer {
	locals.RLock()
	defer locals.RUnlock()
	return locals.at[uintptr(unsafe.Pointer(a))].at
}

// SetLocal makes l this process's Local of a, unless it has one already, and
// returns the one that it has. ErrClosed: the memory is closed.
func SetLocal[T any, P interface {
	*T
	Local
}](a *Anchor, l P) (*T, error) {
	p, err := setLocal(a, local{unsafe.Pointer(l), l})
	return (*T)(p), err
}

func setLocal(a *Anchor, l local) (unsafe.Pointer, error) {
	locals.Lock()
	defer locals.Unlock()
	at := uintptr(unsafe.Pointer(a))
	if old, ok := locals.at[at]; ok {
		return old.at, nil
	}
	if s := mem.Shadow(unsafe.Pointer(a)); s != nil {
		if live, _ := mem.Find(unsafe.Pointer(a)); !live {
			return nil, ErrClosed
		}
		published.ReleaseMerge()
		(*atomic.Uintptr)(s).Store(uintptr(l.at))
	}
	if locals.at == nil {
		locals.at = map[uintptr]local{}
	}
	locals.at[at] = l
	return l.at, nil
}

// leave lets this process leave what has its anchor in [from, to). At the first
// that is in use it stops; those that it has left already are entered again
// when they are used.
func leave(from, to uintptr) error {
	locals.Lock()
	defer locals.Unlock()
	for at, l := range locals.at {
		if at < from || at >= to {
			continue
		}
		if err := l.goAway(); err != nil {
			return err
		}
		if s := mem.Shadow(unsafe.Add(nil, at)); s != nil {
			(*atomic.Uintptr)(s).Store(0)
		}
		delete(locals.at, at)
	}
	return nil
}

// goAway is Leave. What went with the end of a truncated file is in nobody's use.
func (l local) goAway() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			err = nil
		}
	}()
	return l.leave.Leave()
}
