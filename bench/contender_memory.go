package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/shmkit/shmkit/shm"
)

const (
	memoryBytes = 1 << 20 // a segment that is made
	attachBytes = 1 << 30 // one that is attached to
	listedNames = 10000
)

// account is a struct of 64 B that is loaded and stored as a whole.
type account [8]uint64

// pageFaults is the extra figure of attaching.
const pageFaults = "faults"

// each is the contender whose side a does op n times; begin makes what op needs.
func each(name string, begin func() (op func() error, end func() error, err error)) *pair {
	return &pair{name: name, a: func(o *order) (_ *outcome, err error) {
		op, end, err := begin()
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, end()) }()
		return o.measure(func(n int) error {
			for range n {
				if err := op(); err != nil {
					return err
				}
			}
			return nil
		})
	}}
}

// guardedAccount is an account as one process has it.
type guardedAccount struct {
	mu sync.Mutex
	r  account
}

//go:noinline
func (g *guardedAccount) load() account {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.r
}

//go:noinline
func (g *guardedAccount) store(r account) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.r = r
}

var (
	lockedLoad = each("sync.Mutex load", func() (op, end func() error, err error) {
		g := new(guardedAccount)
		return func() error { return checkAccount(g.load()) }, noEnd, nil
	})
	lockedStore = each("sync.Mutex store", func() (op, end func() error, err error) {
		g, n := new(guardedAccount), uint64(0)
		return func() error { n++; g.store(account{n, 7: n}); return nil }, noEnd, nil
	})
	valueLoad  = each("Value load", func() (op, end func() error, err error) { return loadOf("") })
	valueStore = each("Value store", func() (op, end func() error, err error) { return storeOf("") })
	namedLoad  = each("named Value load", func() (op, end func() error, err error) { return loadOf(benchName("load")) })
	namedStore = each("named Value store", func() (op, end func() error, err error) { return storeOf(benchName("store")) })
	madeRaw    = each("segment by system calls", func() (op, end func() error, err error) { return rawSegment, noEnd, nil })
	made       = each("segment", func() (op, end func() error, err error) {
		return func() error {
			s, err := shm.Create("", memoryBytes, nil)
			if err != nil {
				return err
			}
			return s.Close()
		}, noEnd, nil
	})
	attachedSmall = attaching("attach to 4 KiB", 4096)
	attachedLarge = attaching("attach to 1 GiB", attachBytes)
)

func noEnd() error { return nil }

// benchName is a name in /dev/shm that is this process's.
func benchName(what string) string { return fmt.Sprintf("shmkit-bench-%d-%s", os.Getpid(), what) }

// checkAccount keeps the compiler from dropping a load.
func checkAccount(r account) error {
	if r[0] != r[7] {
		return fmt.Errorf("a torn value: %v", r)
	}
	return nil
}

// valueOf makes a value; of a named one the name goes at once.
func valueOf(name string) (*shm.Value[account], error) {
	v, err := shm.NewValue(name, account{}, nil)
	if err == nil {
		err = v.Unlink()
	}
	return v, err
}

func loadOf(name string) (op, end func() error, err error) {
	v, err := valueOf(name)
	if err != nil {
		return nil, nil, err
	}
	return func() error {
		r, err := v.Load()
		if err != nil {
			return err
		}
		return checkAccount(r)
	}, v.Close, nil
}

func storeOf(name string) (op, end func() error, err error) {
	v, err := valueOf(name)
	if err != nil {
		return nil, nil, err
	}
	n := uint64(0)
	return func() error { n++; return v.Store(account{n, 7: n}) }, v.Close, nil
}

// attaching is the contender that attaches to a segment of so many bytes and closes it.
// It is sparse: what is mapped and not touched is the same either way, and so the
// machine need not have that much.
func attaching(name string, size int) *pair {
	return &pair{name: name, link: func(o *order) (*link, error) {
		l := &nameSet{prefix: fmt.Sprintf("shmkit-bench-%d-attach", os.Getpid()), n: 1}
		return &link{undo: l.remove}, l.create(size, &shm.Options{Sparse: true, Exist: shm.ExistReplace})
	}, a: func(o *order) (*outcome, error) {
		segment := fmt.Sprintf("shmkit-bench-%d-attach0", os.Getppid())
		attach := func(n int) error {
			for range n {
				s, err := shm.Open(context.Background(), segment, nil)
				if err != nil {
					return err
				}
				if s.Size() != size {
					return fmt.Errorf("attached to %d bytes", s.Size())
				}
				if err := s.Close(); err != nil {
					return err
				}
			}
			return nil
		}
		out, err := o.measure(attach)
		if err != nil {
			return nil, err
		}
		const n = 1000
		before := minorFaults()
		if err := attach(n); err != nil {
			return nil, err
		}
		out.extra[pageFaults] = float64(minorFaults()-before) / n
		return out, nil
	}}
}

// nameSet is the names of segments that the process which measures has made for its side a, and
// removes.
type nameSet struct {
	prefix string
	n      int
}

func (l *nameSet) create(size int, o *shm.Options) error {
	for i := range l.n {
		s, err := shm.Create(fmt.Sprint(l.prefix, i), size, o)
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			l.remove()
			return err
		}
	}
	return nil
}

// remove removes those that there are.
func (l *nameSet) remove() {
	for i := range l.n {
		_ = shm.Unlink(fmt.Sprint(l.prefix, i))
	}
}

var listed = &pair{name: "List", link: func(o *order) (*link, error) {
	l := &nameSet{prefix: fmt.Sprintf("shmkit-bench-%d-list", os.Getpid()), n: listedNames}
	return &link{undo: l.remove}, l.create(4096, nil)
}, a: func(o *order) (*outcome, error) {
	prefix := fmt.Sprintf("shmkit-bench-%d-list", os.Getppid())
	return o.measure(func(n int) error {
		for range n {
			all, err := shm.List()
			if err != nil {
				return err
			}
			found := 0
			for _, i := range all {
				if strings.HasPrefix(i.Name, prefix) {
					found++
				}
			}
			if found != listedNames {
				return fmt.Errorf("%d of %d segments are in the list", found, listedNames)
			}
		}
		return nil
	})
}}
