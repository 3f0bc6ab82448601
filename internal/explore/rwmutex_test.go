//go:build explore

package explore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/stretchr/testify/require"
)

// library is shared memory with an RWMutex and what it protects: two words that
// are equal whenever no writer is inside. Ghosts say who is.
type library struct {
	w      *World
	rw     *semaphore.RWMutex
	a, b   *uint64
	turn   *uint32 // whose it is to take a seat
	inside *uint32 // the TID of the process whose writer is
}

const (
	libraryAt   = int(unsafe.Sizeof(semaphore.RWMutex{}))
	librarySize = libraryAt + 64
)

func newLibrary(w *World, processes int) *library {
	w.Robust(At[mem.Uint32](w, 0), At[mem.Uint32](w, 128)) // queue, gate
	for i := range processes {
		w.Robust(At[mem.Uint32](w, 256+128*i)) // seats
	}
	return &library{w, At[semaphore.RWMutex](w, 0), At[uint64](w, libraryAt), At[uint64](w, libraryAt+8),
		At[uint32](w, libraryAt+44), At[uint32](w, libraryAt+16)}
}

func (l *library) reads(p *Proc) *uint32 { return At[uint32](l.w, libraryAt+20+4*p.ID) }

func (l *library) done(p *Proc) *uint32 { return At[uint32](l.w, libraryAt+32+4*p.ID) }

func (l *library) allDone() bool {
	for _, p := range l.w.procs {
		if *l.done(p) == 0 && !p.Ended() {
			return false
		}
	}
	return true
}

// told says whether a call has failed because a writer died.
func (l *library) told(p *Proc, err error) bool {
	if !errors.Is(err, semaphore.ErrOwnerDied) {
		return false
	}
	if l.w.Deaths() == 0 {
		p.Fail("a writer died, but nobody has")
	}
	return true
}

// read reads as a user would who leaves repairs to writers.
func (l *library) read(ctx context.Context, p *Proc, inside uint64) error {
	err := l.rw.RLockContext(ctx)
	if err != nil {
		return err
	}
	p.Forget(inside) // its seat shows in the memory
	if *l.a != *l.b {
		p.Fail("a reader gets %d, %d", *l.a, *l.b)
	}
	*l.reads(p) = 1
	p.Step()
	if other := *l.inside; other != 0 && !l.w.procs[other-1].Ended() {
		p.Fail("P%d writes, and this one reads", other-1)
	}
	*l.reads(p) = 0
	l.rw.RUnlock()
	return nil
}

// write writes as a user would who repairs.
func (l *library) write(ctx context.Context, p *Proc, inside uint64) error {
	err := l.rw.LockContext(ctx)
	if l.told(p, err) {
		err = l.rw.LockRepair(ctx, func() error {
			*l.b = *l.a
			return nil
		})
	}
	if err != nil {
		return err
	}
	return l.alter(ctx, p, inside)
}

// alter is what a writer does inside, and its Unlock.
func (l *library) alter(_ context.Context, p *Proc, inside uint64) error {
	p.Forget(inside)
	if other := *l.inside; other != 0 && !l.w.procs[other-1].Ended() {
		p.Fail("P%d writes too", other-1)
	}
	for _, q := range l.w.procs {
		if *l.reads(q) != 0 && !q.Ended() {
			p.Fail("P%d reads, and this one writes", q.ID)
		}
	}
	if *l.a != *l.b {
		p.Fail("a writer gets %d, %d", *l.a, *l.b)
	}
	*l.inside = p.tid()
	*l.a++
	p.Step()
	*l.b++
	*l.inside = 0
	l.rw.Unlock()
	return nil
}

// rwModel is processes that each do what the letters of a word say: r reads, w
// writes, u is inside as a writer at the beginning. If warm, each has read before,
// one after the other.
func rwModel(warm bool, deaths int, words ...string) Model {
	return Model{Memory: librarySize, Deaths: deaths, Setup: func(w *World) {
		l := newLibrary(w, len(words))
		writes := uint64(0)
		for _, word := range words {
			writes += uint64(len(word) - strings.Count(word, "r"))
			p := w.Go(func(p *Proc) {
				if warm {
					l.warm(p, word, words)
				}
				for i, c := range word {
					p.Forget(uint64(i) << 1)
					do := l.read
					switch c {
					case 'w':
						do = l.write
					case 'u':
						do = l.alter
					}
					if err := do(context.Background(), p, uint64(i)<<1|1); err != nil && !l.told(p, err) {
						p.Fail("%c: %v", c, err)
					}
				}
				// The end of a process wakes others, so nobody ends before all are done.
				*l.done(p) = 1
				p.Until(l.allDone)
			})
			p.Immortal = warm
		}
		w.Invariant = func() error {
			if _, held := l.rw.Owner(); held && l.rw.Readers() > 0 {
				return errors.New("a writer and a reader are inside")
			}
			return nil
		}
		w.Final = func() error {
			if w.Deaths() == 0 && *l.a != writes {
				return fmt.Errorf("%d writes left %d", writes, *l.a)
			}
			if pid, held := l.rw.Owner(); held {
				return fmt.Errorf("held by P%d", pid-1)
			}
			return nil
		}
	}}
}

// warm lets each process take its seat, and one lock. Nobody dies meanwhile.
func (l *library) warm(p *Proc, word string, words []string) {
	n := uint32(len(words))
	p.Until(func() bool { return *l.turn == uint32(p.ID) })
	if err := l.rw.RLock(); err != nil {
		p.Fail("%v", err)
	}
	l.rw.RUnlock()
	*l.turn++
	if words[0] == "u" {
		if word == "u" {
			p.Until(func() bool { return *l.turn == n })
			if err := l.rw.Lock(); err != nil {
				p.Fail("%v", err)
			}
			*l.turn++
		}
		n++
	}
	p.Until(func() bool { return *l.turn == n })
	p.Immortal = false
}

func TestRWMutex(t *testing.T) {
	for _, c := range []struct {
		warm   bool
		deaths int
		words  []string
		long   bool
	}{
		{false, 0, []string{"w", "r"}, false},
		{true, 1, []string{"w", "r"}, false},
		{true, 2, []string{"u", "r"}, false},
		{true, 0, []string{"ww", "r"}, false},
		{false, 1, []string{"w", "r"}, true},
		{false, 2, []string{"w", "r"}, true},
		{false, 0, []string{"ww", "r"}, true},
		{true, 1, []string{"ww", "r"}, true},
		{true, 0, []string{"w", "rr"}, true},
		{true, 1, []string{"w", "rr"}, true},
		{true, 0, []string{"w", "w"}, true},
		{true, 1, []string{"w", "w"}, true},
		// Three processes: minutes each without a death, and more with one.
		{true, 0, []string{"u", "r", "r"}, true},
		{true, 0, []string{"u", "w", "r"}, true},
		{true, 1, []string{"u", "r", "r"}, true},
		{true, 1, []string{"u", "w", "r"}, true},
	} {
		t.Run(fmt.Sprintf("warm %v, %d deaths, %v", c.warm, c.deaths, c.words), func(t *testing.T) {
			if c.long && !*exploreLong {
				t.Skip("takes long")
			}
			rep := Run(rwModel(c.warm, c.deaths, c.words...))
			t.Log(rep)
			if rep.Violation != nil {
				t.Fatal(rep.Violation)
			}
			if c.deaths == 0 {
				require.Zero(t, rep.Looks, "a wake was lost")
			}
		})
	}
}
