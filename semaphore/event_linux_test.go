//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// events are two at the beginning of the memory, one for each direction.
type events struct {
	there Event
	_     [56]byte
	back  Event
}

func eventsIn(m *memory) *events { return (*events)(unsafe.Pointer(m)) }
func eventIn(m *memory) *Event   { return &eventsIn(m).there }

func newEvent(t testing.TB, place string) (*Event, *memory, *os.File) {
	m, f := newMemory(t, place)
	m.clear()
	return eventIn(m), m, f
}

// event.peer obeys. Args: place.
var _ = testproc.Helper("event.peer", func(c *testproc.Child) {
	m, _, _ := mapMemory(c, c.Files[0], c.Args[0])
	e := eventIn(m)
	for {
		switch cmd := c.ReadLine(); cmd {
		case "set":
			e.Set()
			c.WriteLine("OK")
		case "clear":
			e.Clear()
			c.WriteLine("OK")
		case "isset":
			c.WriteLine("%v", e.IsSet())
		case "wait":
			c.WriteLine("%v", e.Wait(context.Background()))
		case "try":
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			c.WriteLine("%v", e.Wait(ctx))
			cancel()
		case "pong":
			both := eventsIn(m)
			for both.there.Wait(context.Background()) == nil {
				both.there.Clear()
				both.back.Set()
			}
		}
	}
})

func eventPeer(t testing.TB, f *os.File, place string) *testproc.Proc {
	return testproc.Start(t, "event.peer", testproc.Files(f), testproc.Args(place))
}

// eventSleepersOf counts the processes that sleep for e, and disturbs nobody.
func eventSleepersOf(e *Event) int {
	const requeue = 3
	w := uintptr(unsafe.Pointer(e))
	n, _, errno := unix.RawSyscall6(unix.SYS_FUTEX, w, requeue, 0, 1<<31-1, w, 0)
	if errno != 0 {
		panic(errno)
	}
	return int(n)
}

func awaitEventSleepers(t *testing.T, e *Event, n int) {
	t.Helper()
	await(t, func() bool { return eventSleepersOf(e) == n })
}

// V12: the states of an event, and a wait that another process ends.
func TestV12Event(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		e, _, f := newEvent(t, place)
		other := eventPeer(t, f, place)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		unset := func() {
			require.False(t, e.IsSet())
			tell(other, "isset", "false")
			require.ErrorIs(t, e.Wait(ended), context.Canceled)
			require.ErrorIs(t, e.Wait(timeout(t, time.Millisecond)), context.DeadlineExceeded)
			tell(other, "try", "context deadline exceeded")
		}
		set := func() {
			require.True(t, e.IsSet())
			tell(other, "isset", "true")
			require.NoError(t, e.Wait(ended))
			require.NoError(t, e.Wait(t.Context()))
			tell(other, "wait", "<nil>")
			tell(other, "try", "<nil>")
		}
		for range 2 {
			unset()
			e.Set()
			set()
			tell(other, "clear", "OK")
			unset()
			waits := start(func() error { return e.Wait(t.Context()) })
			awaitEventSleepers(t, e, 1)
			tell(other, "set", "OK")
			require.NoError(t, result(t, waits))
			set()
			e.Clear()
		}
	})
}

// V13: an event says what it is.
func TestV13EventString(t *testing.T) {
	var e Event
	require.Equal(t, "Event(unset)", e.String())
	e.Set()
	require.Equal(t, "Event(set)", fmt.Sprint(&e))
	e.Clear()
	require.Equal(t, "Event(unset)", e.String())
	require.EqualValues(t, 8, unsafe.Sizeof(e))
}

// eventFaults requires that f faults, and does not hang. The race detector's own
// accesses fault where nothing can be recovered.
func eventFaults(t *testing.T, f func()) {
	if race.Enabled {
		return
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	require.Panics(t, f)
}

// V14: Set of a set event and Clear of a clear one change nothing, and store
// nothing: they work where the memory cannot be written.
func TestV14EventIdempotent(t *testing.T) {
	e, _, f := newEvent(t, "near")
	b, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	defer unix.Munmap(b)
	ro := (*Event)(unsafe.Pointer(&b[0]))

	ro.Clear()
	require.False(t, ro.IsSet())
	eventFaults(t, ro.Set)
	eventFaults(t, func() { _ = ro.Wait(t.Context()) })
	before := e.word.Load()
	e.Clear()
	require.Equal(t, before, e.word.Load())
	e.Set()
	ro.Set()
	require.True(t, ro.IsSet())
	require.Equal(t, "Event(set)", ro.String())
	require.NoError(t, ro.Wait(t.Context()))
	eventFaults(t, ro.Clear)
	before = e.word.Load()
	e.Set()
	require.Equal(t, before, e.word.Load())
}

// V15, X04: whoever waits at a Set goes on, though Clear follows at once; and
// whoever comes after the Clear does not.
func TestX04EventSetAndClear(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		e, _, f := newEvent(t, place)
		ps := []*testproc.Proc{eventPeer(t, f, "near"), eventPeer(t, f, "foreign"), eventPeer(t, f, place)}
		for range 100 {
			for _, p := range ps {
				p.WriteLine("wait")
			}
			waits := start(func() error { return e.Wait(t.Context()) })
			awaitEventSleepers(t, e, len(ps)+1)
			e.Set()
			e.Clear()
			require.ErrorIs(t, e.Wait(timeout(t, time.Microsecond)), context.DeadlineExceeded)
			for _, p := range ps {
				p.Expect("<nil>")
			}
			require.NoError(t, result(t, waits))
		}
	})
}

// V15 for those who are stopped when it happens, and who miss many sets.
func TestV15EventStoppedWaiter(t *testing.T) {
	e, _, f := newEvent(t, "near")
	p, other := eventPeer(t, f, "near"), eventPeer(t, f, "near")
	p.WriteLine("wait")
	other.WriteLine("wait")
	awaitEventSleepers(t, e, 2)
	require.True(t, p.Stop())
	for range 1000 {
		e.Set()
		e.Clear()
	}
	other.Expect("<nil>")
	p.Cont()
	p.Expect("<nil>")
}

// The number of changes comes round its low half without touching the bit
// between the halves, and without anybody missing it.
func TestEventCarry(t *testing.T) {
	require.EqualValues(t, 1, changed(0))
	require.EqualValues(t, 1<<32, changed(1<<31-1))
	require.EqualValues(t, 1<<32, changed(1<<32-1), "with sleepers")
	require.EqualValues(t, 0, changed(^uint64(0)))
	for _, start64 := range []uint64{1<<31 - 2, ^uint64(0) &^ (1 << 31) &^ 1} {
		e, _, f := newEvent(t, "near")
		e.word.Store(start64)
		p := eventPeer(t, f, "near")
		p.WriteLine("wait")
		awaitEventSleepers(t, e, 1)
		require.False(t, e.IsSet())
		e.Set()
		require.True(t, e.IsSet())
		p.Expect("<nil>")
		e.Clear()
		require.False(t, e.IsSet())
		require.Zero(t, uint32(e.word.Load()))
	}
}

// S16, X14: a wait can be called back, and is never shorter than asked for.
func TestS16EventCancel(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		e, _, _ := newEvent(t, place)
		ctx, cancel := context.WithCancel(t.Context())
		waits := start(func() error { return e.Wait(ctx) })
		stays := start(func() error { return e.Wait(t.Context()) })
		await(t, func() bool { return eventSleepersOf(e) >= 1 })
		cancel()
		require.ErrorIs(t, result(t, waits), context.Canceled)
		for _, d := range []time.Duration{time.Microsecond, 5 * time.Millisecond, 60 * time.Millisecond} {
			began := time.Now()
			require.ErrorIs(t, e.Wait(timeout(t, d)), context.DeadlineExceeded)
			require.GreaterOrEqual(t, time.Since(began), d)
		}
		require.Empty(t, stays)
		e.Set()
		require.NoError(t, result(t, stays))
	})
}

// X04 when the wait is called back at that moment: the Set counts if it came
// first.
func TestEventCancelledAtSet(t *testing.T) {
	e, _, _ := newEvent(t, "near")
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		waits := start(func() error { return e.Wait(ctx) })
		await(t, func() bool { return eventSleepersOf(e) == 1 })
		e.Set()
		cancel()
		e.Clear()
		require.NoError(t, result(t, waits))
	}
}

// X02: waiters that are killed or stopped hold up neither Set nor one another.
func TestX02EventDeadWaiter(t *testing.T) {
	e, _, f := newEvent(t, "near")
	for range 5 {
		killed, stopped, third := eventPeer(t, f, "near"), eventPeer(t, f, "near"), eventPeer(t, f, "near")
		for i, p := range []*testproc.Proc{killed, stopped, third} {
			p.WriteLine("wait")
			awaitEventSleepers(t, e, i+1)
		}
		require.True(t, stopped.Stop())
		killed.Kill()
		e.Set()
		third.Expect("<nil>")
		e.Clear()
		stopped.Cont()
		stopped.Expect("<nil>")
	}
}

// A thousand waiters in three processes; those of one share a thread.
func TestEventThousandWaiters(t *testing.T) {
	e, _, f := newEvent(t, "near")
	before := threads(t)
	for range 3 {
		ps := []*testproc.Proc{eventPeer(t, f, "near"), eventPeer(t, f, "foreign")}
		for _, p := range ps {
			p.WriteLine("wait")
		}
		var all sync.WaitGroup
		var begun, woken atomic.Int32
		for range 1000 {
			all.Go(func() {
				begun.Add(1)
				if err := e.Wait(t.Context()); err != nil {
					t.Error(err)
				}
				woken.Add(1)
			})
		}
		await(t, func() bool { return begun.Load() == 1000 && eventSleepersOf(e) == 3 })
		require.Zero(t, woken.Load())
		e.Set()
		testproc.Within(t, all.Wait)
		for _, p := range ps {
			p.Expect("<nil>")
		}
		e.Clear()
	}
	require.Less(t, threads(t)-before, 200, "they do not share threads")
}

// threads is how many threads this process has. The runtime never ends one.
func threads(t *testing.T) (n int) {
	tasks, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	return len(tasks)
}

// What was done before Set is seen after Wait: on the heap, where the race
// detector looks.
func TestEventOrder(t *testing.T) {
	var there, back Event
	x := 0
	done := start(func() error {
		for range 500 {
			if err := there.Wait(t.Context()); err != nil {
				return err
			}
			there.Clear()
			x++
			back.Set()
		}
		return nil
	})
	for i := range 500 {
		x++
		there.Set()
		require.NoError(t, back.Wait(t.Context()))
		back.Clear()
		require.Equal(t, 2*i+2, x)
	}
	require.NoError(t, result(t, done))
}

// A process that closes the memory ends its own waits.
func TestEventClosed(t *testing.T) {
	for name, ctx := range map[string]context.Context{"context": t.Context(), "no context": context.Background()} {
		t.Run(name, func(t *testing.T) {
			e, m := closableEvent(t)
			waits := start(func() error { return e.Wait(ctx) })
			awaitEventSleepers(t, e, 1)
			require.NoError(t, robust.Unmap(m))
			require.ErrorIs(t, result(t, waits), ErrClosed)
			require.ErrorIs(t, e.Wait(ctx), ErrClosed)
		})
	}
}

// One that spins, sleeps or comes when the memory is closed does not take the
// zeros for an event that has been set.
func TestEventClosedMeanwhile(t *testing.T) {
	for i := range 1000 {
		e, m := closableEvent(t)
		var begun atomic.Bool
		waits := start(func() error {
			begun.Store(true)
			return e.Wait(t.Context())
		})
		await(t, begun.Load)
		mem.Pause(uint32(i % 100))
		require.NoError(t, robust.Unmap(m))
		require.ErrorIs(t, result(t, waits), ErrClosed)
	}
}

// One who waits goes on doing so when Close is refused, because something else in
// the memory is in use.
func TestEventNotClosed(t *testing.T) {
	m, err := mem.Map(newFile(t, 4096), 4096, mem.Options{})
	require.NoError(t, err)
	e, mu := (*Event)(unsafe.Pointer(&m.Bytes()[0])), (*Mutex)(unsafe.Pointer(&m.Bytes()[64]))
	require.NoError(t, mu.Lock())
	for range 100 {
		var waits []<-chan error
		for range 10 {
			waits = append(waits, start(func() error { return e.Wait(t.Context()) }))
			for range 10 {
				require.ErrorIs(t, robust.Unmap(m), ErrBusy)
			}
		}
		e.Set()
		for _, w := range waits {
			require.NoError(t, result(t, w))
		}
		e.word.Store(0) // of closed memory it is 0 too
	}
	mu.Unlock()
	require.NoError(t, robust.Unmap(m))
}

// closableEvent is an event that has changed, in memory to close.
func closableEvent(t *testing.T) (*Event, *mem.Mapping) {
	m, err := mem.Map(newFile(t, 4096), 4096, mem.Options{})
	require.NoError(t, err)
	e := (*Event)(unsafe.Pointer(&m.Bytes()[0]))
	e.Set()
	e.Clear()
	return e, m
}

func TestEventMisaligned(t *testing.T) {
	e, m, _ := newEvent(t, "near")
	odd := (*Event)(unsafe.Add(unsafe.Pointer(m), 4))
	require.ErrorIs(t, odd.Wait(t.Context()), ErrInvalid)
	e.Set()
	require.NoError(t, e.Wait(t.Context()))
}

// Every value of the bytes is an event: calls return, and the next Set wakes.
func FuzzEventGarbage(f *testing.F) {
	for _, w := range []uint64{0, 1, 1 << 31, 1<<31 | 1, 1<<31 - 1, 1<<32 - 1, ^uint64(0), ^uint64(0) - 1} {
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, w uint64) {
		for _, place := range places {
			e, _, _ := newEvent(t, place)
			e.word.Store(w)
			_ = e.String()
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			err := e.Wait(ctx)
			cancel()
			if w&1 != 0 {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			e.Clear()
			require.False(t, e.IsSet())
			waits := start(func() error { return e.Wait(t.Context()) })
			await(t, func() bool { return eventSleepersOf(e) == 1 })
			e.Set()
			require.NoError(t, result(t, waits))
			require.True(t, e.IsSet())
		}
	})
}

func TestEventGarbageWhileRunning(t *testing.T) {
	e, _, _ := newEvent(t, "near")
	var stop atomic.Bool
	hostile := start(func() error {
		for !stop.Load() {
			e.word.Store(rand.Uint64())
			runtime.Gosched()
		}
		return nil
	})
	for range 200 {
		e.Set()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if err := e.Wait(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			require.NoError(t, err)
		}
		cancel()
		e.Clear()
	}
	stop.Store(true)
	require.NoError(t, result(t, hostile))
}
