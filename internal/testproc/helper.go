package testproc

import (
	"fmt"
	"slices"
	"sync"
)

// Registered is the result of Helper: it gives a package-level declaration
// something to hold.
type Registered struct{}

// Helper registers fn under name as what a child may run. It is called from a
// package-level var next to the test that uses it, so that the child's binary
// knows the helper before main. The child exits with status 0 when fn returns.
// A name used twice panics.
func Helper(name string, fn func(c *Child)) Registered {
	registry.add(name, fn)
	return Registered{}
}

type helpers struct {
	mu   sync.Mutex
	fns  map[string]func(*Child)
	used map[string]bool
}

var registry = &helpers{fns: make(map[string]func(*Child)), used: make(map[string]bool)}

func (h *helpers) add(name string, fn func(*Child)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.fns[name]; ok {
		panic(fmt.Sprintf("testproc: helper %q is registered twice", name))
	}
	h.fns[name] = fn
}

func (h *helpers) lookup(name string) (func(*Child), bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fn, ok := h.fns[name]
	return fn, ok
}

// use marks a helper as started; false if there is none of that name.
func (h *helpers) use(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.used[name] = true
	_, ok := h.fns[name]
	return ok
}

func (h *helpers) unused() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	for name := range h.fns {
		if !h.used[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
