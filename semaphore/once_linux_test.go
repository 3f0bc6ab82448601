//go:build !explore

package semaphore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// onceIn is a Once at the beginning of the memory, whose pair and counter are
// what is done: they count how often it was.
func onceIn(m *memory) *Once { return (*Once)(unsafe.Pointer(m)) }

func newOnce(t testing.TB, place string) (*Once, *memory, *os.File) {
	m, f := newMemory(t, place)
	m.clear()
	return onceIn(m), m, f
}

// fill is what is done once. It copes with what a dead one has left.
func (m *memory) fill(t require.TestingT) error {
	m.pair[1] = m.pair[0]
	m.pair[0]++
	runtime.Gosched()
	m.pair[1]++
	require.Equal(t, m.pair[0], m.pair[1], "somebody else does it")
	m.counter++
	return nil
}

var errOnce = errors.New("cannot")

// once.peer obeys: how to do it, and what became of it. Args: place.
var _ = testproc.Helper("once.peer", func(c *testproc.Child) {
	m, _, _ := mapMemory(c, c.Files[0], c.Args[0])
	o := onceIn(m)
	for {
		cmd := c.ReadLine()
		err := onceWay(func(f func() error) error { return o.Do(context.Background(), f) }, func() error {
			switch cmd {
			case "fail":
				return errOnce
			case "panic":
				panic(errOnce)
			case "goexit":
				runtime.Goexit()
			case "park":
				c.WriteLine("does")
				if c.ReadLine() == "fail" {
					return errOnce
				}
			}
			return m.fill(c)
		})
		c.WriteLine("%v", err)
	}
})

// onceWay calls do on a goroutine of its own, and returns how it ended.
func onceWay(do func(func() error) error, f func() error) error {
	err := errors.New("exited")
	var end sync.WaitGroup
	end.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic: %v", r)
			}
		}()
		err = do(f)
	})
	end.Wait()
	return err
}

func oncePeer(t *testing.T, f *os.File, place string) *testproc.Proc {
	return testproc.Start(t, "once.peer", testproc.Files(f), testproc.Args(place))
}

func TestOnce(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		o, m, f := newOnce(t, place)
		other := oncePeer(t, f, place)
		require.False(t, o.Done())
		require.Equal(t, "Once(not done)", o.String())
		require.NoError(t, o.Do(t.Context(), func() error {
			require.False(t, o.Done())
			require.Equal(t, fmt.Sprintf("Once(under way in pid %d)", os.Getpid()), o.String())
			return m.fill(t)
		}))
		require.True(t, o.Done())
		require.Equal(t, "Once(done)", o.String())
		for range 3 {
			tell(other, "do", "<nil>")
			require.NoError(t, o.Do(t.Context(), func() error { return errors.New("a second time") }))
		}
		require.EqualValues(t, 1, m.counter)
	})
}

// However a doer fails, the next one does it: one who waits, or who comes later.
func TestOnceFailureHandsOver(t *testing.T) {
	for how, want := range map[string]string{"fail": "cannot", "panic": "panic: cannot", "goexit": "exited"} {
		t.Run(how, func(t *testing.T) {
			eachPlace(t, func(t *testing.T, place string) {
				o, m, f := newOnce(t, place)
				first := oncePeer(t, f, place)
				tell(first, how, want)
				require.False(t, o.Done())
				require.Equal(t, "Once(not done)", o.String())
				require.NoError(t, o.Do(t.Context(), func() error { return m.fill(t) }))
				tell(first, how, "<nil>")
				require.EqualValues(t, 1, m.counter)
			})
		})
	}
}

func TestOnceWaitersTakeTurns(t *testing.T) {
	o, m, f := newOnce(t, "near")
	first, second := oncePeer(t, f, "near"), oncePeer(t, f, "foreign")
	tell(first, "park", "does")
	require.Equal(t, fmt.Sprintf("Once(under way in pid %d)", first.PID), o.String())
	second.WriteLine("do")
	waits := start(func() error { return o.Do(t.Context(), func() error { return m.fill(t) }) })
	awaitSleepers(t, &o.mutex, 2)
	tell(first, "fail", "cannot")
	second.Expect("<nil>")
	require.NoError(t, result(t, waits))
	require.EqualValues(t, 1, m.counter)
}

// S16: ctx ends the wait, and not what is being done.
func TestS16OnceCancel(t *testing.T) {
	o, m, f := newOnce(t, "near")
	other := oncePeer(t, f, "near")
	tell(other, "park", "does")
	never := func() error { return errors.New("two do it") }
	ctx, cancel := context.WithCancel(t.Context())
	waits := start(func() error { return o.Do(ctx, never) })
	awaitSleepers(t, &o.mutex, 1)
	cancel()
	require.ErrorIs(t, result(t, waits), context.Canceled)
	require.ErrorIs(t, o.Do(timeout(t, time.Millisecond), never), context.DeadlineExceeded)
	tell(other, "", "<nil>")
	require.NoError(t, o.Do(ctx, never), "no wait, nothing to cancel")
	require.EqualValues(t, 1, m.counter)
}

// X01: a doer dies in the middle, and all who wait go on, one of them as the
// doer.
func TestX01OnceDoerDies(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		o, m, f := newOnce(t, place)
		for range 2 {
			first := oncePeer(t, f, place)
			tell(first, "park", "does")
			first.Kill()
		}
		first := oncePeer(t, f, place)
		tell(first, "park", "does")
		var ps []*testproc.Proc
		for i := range 3 {
			p := oncePeer(t, f, places[i%2])
			p.WriteLine("do")
			ps = append(ps, p)
		}
		awaitSleepers(t, &o.mutex, 3)
		first.Kill()
		for _, p := range ps {
			p.Expect("<nil>")
		}
		require.EqualValues(t, 1, m.counter)
		require.True(t, o.Done())
	})
}

// Nobody waits for a doer that is stopped when it is done.
func TestOnceStoppedWhenDone(t *testing.T) {
	o, _, f := newOnce(t, "near")
	p := oncePeer(t, f, "near")
	tell(p, "park", "does")
	waits := start(func() error { return o.Do(t.Context(), func() error { return errors.New("two do it") }) })
	awaitSleepers(t, &o.mutex, 1)
	require.True(t, p.Stop())
	require.Empty(t, waits)
	o.done.Store(onceDone) // as if it had been stopped after its last store
	require.NoError(t, result(t, waits))
	require.NoError(t, o.Do(t.Context(), nil))
	p.Cont()
	tell(p, "fail", "cannot")
}

// Whatever fifty goroutines do, it is done once, and what was done is seen: on
// the heap, where the race detector looks.
func TestOnceGoroutines(t *testing.T) {
	var o Once
	n, failures := 0, 0
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			err := o.Do(t.Context(), func() error {
				if failures < 10 {
					failures++
					return errOnce
				}
				n++
				return nil
			})
			if err == nil && n != 1 || err != nil && err != errOnce {
				t.Errorf("%v, done %d times", err, n)
			}
		})
	}
	testproc.Within(t, all.Wait)
	require.Equal(t, 1, n)
	require.Equal(t, 10, failures)
	require.EqualValues(t, 56, unsafe.Sizeof(o))
}

func TestOnceReadOnly(t *testing.T) {
	o, m, f := newOnce(t, "near")
	require.NoError(t, o.Do(t.Context(), func() error { return m.fill(t) }))
	b, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	defer unix.Munmap(b)
	ro := (*Once)(unsafe.Pointer(&b[0]))
	require.True(t, ro.Done())
	require.Equal(t, "Once(done)", ro.String())
	require.NoError(t, ro.Do(t.Context(), nil), "it is done")
	o.done.Store(0)
	eventFaults(t, func() { _ = ro.Do(t.Context(), nil) })
}

// onceUse does everything once: each call returns a documented error or success.
func onceUse(t testing.TB, o *Once) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
	defer cancel()
	_ = o.String()
	_ = o.Done()
	for _, f := range []func() error{func() error { return os.ErrInvalid }, func() error { return nil }} {
		switch err := o.Do(ctx, f); {
		case err == nil, errors.Is(err, ErrCorrupt), errors.Is(err, os.ErrInvalid), errors.Is(err, context.DeadlineExceeded):
		default:
			t.Errorf("undocumented error: %v", err)
		}
	}
}

func FuzzOnceGarbage(f *testing.F) {
	for _, word := range []uint32{0, 1, robust.Waiters, robust.OwnerDied, uint32(os.Getpid()), ^uint32(0)} {
		for _, done := range []byte{0, 1, 2} {
			b := append([]byte{done}, make([]byte, 55)...)
			binary.LittleEndian.PutUint32(b[8:], word)
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, place := range places {
			o, _, _ := newOnce(t, place)
			copy(unsafe.Slice((*byte)(unsafe.Pointer(o)), unsafe.Sizeof(*o)), b)
			onceUse(t, o)
			o.done.Store(7)
			require.ErrorIs(t, o.Do(t.Context(), nil), ErrCorrupt)
			require.Equal(t, "Once(corrupt)", o.String())
			require.False(t, o.Done())
			o.done.Store(0)
			o.mutex.Init()
			require.NoError(t, o.Do(t.Context(), func() error { return nil }))
		}
	})
}

func TestOnceGarbageWhileRunning(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		o, _, _ := newOnce(t, place)
		var stop atomic.Bool
		hostile := start(func() error {
			for !stop.Load() {
				switch rand.IntN(3) {
				case 0:
					o.mutex.cell.Word.Store(rand.Uint32())
				case 1:
					o.mutex.cell.Word.Store(rand.Uint32() & (robust.Waiters | robust.OwnerDied))
				case 2:
					o.done.Store(rand.Uint32N(3))
				}
				time.Sleep(time.Microsecond) // sleep: leave the victim some time between two blows
			}
			return nil
		})
		for range 50 {
			onceUse(t, o)
		}
		stop.Store(true)
		require.NoError(t, result(t, hostile))
		*o = Once{}
		require.NoError(t, o.Do(t.Context(), func() error { return nil }))
	})
}
