package pool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
)

type sum struct {
	A, B int
	Note string
}

var add = pool.RegisterTask("add", func(_ context.Context, s sum) (sum, error) {
	return sum{A: s.A + s.B, Note: s.Note + "!"}, nil
})

// O01, F01: several arguments are a struct.
func TestApplyO01F01(t *testing.T) {
	p := newPool(t, 2, nil)
	r, err := add.Apply(watchdog(t), p, sum{2, 3, "done"})
	require.NoError(t, err)
	require.Equal(t, sum{A: 5, Note: "done!"}, r)
	n, err := square.Apply(watchdog(t), p, -7)
	require.NoError(t, err)
	require.Equal(t, 49, n)
	require.Equal(t, "square", square.Name())
}

// O02, F02: order, whatever the chunk; a negative one is refused. X07, W-29: 0 is no trap.
func TestMapOrderO02F02(t *testing.T) {
	p := newPool(t, 2, nil)
	ctx := watchdog(t)
	for _, chunk := range []int{0, 1, 6, 20, 40, 50, 1000} {
		r, err := square.Map(ctx, p, span(100), &pool.MapOptions{Chunk: chunk})
		require.NoError(t, err)
		require.Equal(t, squares(100), r, "chunk %d", chunk)
		r, err = square.MapSlice(ctx, p, slices.Collect(span(100)), &pool.MapOptions{Chunk: chunk})
		require.NoError(t, err)
		require.Equal(t, squares(100), r, "chunk %d", chunk)
	}
	_, err := square.Map(ctx, p, span(100), &pool.MapOptions{Chunk: -1})
	require.ErrorIs(t, err, pool.ErrOption)
	for _, err := range square.Imap(ctx, p, span(100), &pool.MapOptions{Chunk: -1}) {
		require.ErrorIs(t, err, pool.ErrOption)
	}
	var in []sum
	for i := range 100 {
		in = append(in, sum{i, 1, strings.Repeat("x", i)})
	}
	got, err := add.MapSlice(ctx, p, in, nil) // starmap
	require.NoError(t, err)
	again, err := add.Map(ctx, p, slices.Values(in), nil)
	require.Equal(t, got, again)
	require.NoError(t, err)
	for i, r := range got {
		require.Equal(t, sum{A: i + 1, Note: in[i].Note + "!"}, r)
	}
}

// O03, O21: callbacks come once, with result or error, before whoever waits goes on.
func TestCallbacksO03O21(t *testing.T) {
	p := newPool(t, 2, nil)
	ctx := watchdog(t)
	for _, x := range []int{4, 5} {
		var calls []error
		f := evens.Go(ctx, p, x)
		f.OnDone(func(r int, err error) { calls = append(calls, err) })
		r, err := f.Get(ctx)
		require.Len(t, calls, 1)
		require.Equal(t, err, calls[0])
		if x == 4 {
			require.NoError(t, err)
			require.Equal(t, 4, r)
		} else {
			require.ErrorIs(t, err, errOdd)
		}
	}
}

// reluctant is a type that may refuse to be encoded or decoded.
type reluctant struct{ Mood string }

func (r reluctant) MarshalBinary() ([]byte, error) {
	switch r.Mood {
	case "refuse":
		return nil, errors.New("I do not travel")
	case "panic":
		panic("I do not travel")
	case "exit":
		os.Exit(77)
	}
	return []byte(r.Mood), nil
}

func (r *reluctant) UnmarshalBinary(b []byte) error {
	switch r.Mood = string(b); {
	case r.Mood == "stay", r.Mood == "stay here" && proc.Parent() == nil:
		return errors.New("I do not arrive")
	case r.Mood == "crash", r.Mood == "crash here" && proc.Parent() == nil:
		panic("I do not arrive")
	case r.Mood == "leave":
		os.Exit(78)
	}
	return nil
}

var echo = pool.RegisterTask("echo", func(_ context.Context, r reluctant) (reluctant, error) { return r, nil })

var become = pool.RegisterTask("become", func(_ context.Context, mood string) (reluctant, error) {
	return reluctant{mood}, nil
})

// O04, F20: an argument that cannot be encoded fails its task alone.
func TestArgumentCannotBeEncodedO04F20(t *testing.T) {
	p := newPool(t, 2, nil)
	ctx := watchdog(t)
	in := []reluctant{{"fine"}, {"refuse"}, {"fine too"}}
	r, err := echo.Map(ctx, p, slices.Values(in), nil)
	var item *pool.ItemError
	require.ErrorAs(t, err, &item)
	require.Equal(t, 1, item.Index)
	require.ErrorIs(t, err, pool.ErrArgument)
	require.ErrorContains(t, err, "I do not travel")
	require.Equal(t, []reluctant{{"fine"}, {}, {"fine too"}}, r)
	_, err = echo.Apply(ctx, p, reluctant{"refuse"})
	require.ErrorIs(t, err, pool.ErrArgument)
	require.Zero(t, p.Stats().Died)
}

// O05: no inputs, no results, at once.
func TestNoInputsO05(t *testing.T) {
	p := newPool(t, 1, nil)
	for _, chunk := range []int{0, 1, 10} {
		o := &pool.MapOptions{Chunk: chunk}
		r, err := square.MapSlice(watchdog(t), p, nil, o)
		require.NoError(t, err)
		require.Equal(t, []int{}, r)
		r, err = square.Map(watchdog(t), p, span(0), o)
		require.NoError(t, err)
		require.Equal(t, []int{}, r)
		for range square.Imap(watchdog(t), p, span(0), o) {
			t.Fatal("a result")
		}
		for range square.ImapUnordered(watchdog(t), p, span(0), o) {
			t.Fatal("a result")
		}
	}
	require.Zero(t, p.Stats().Started)
}

var errInput = errors.New("the input ends too early")

// broken is an input that ends with an error, in the way of MapOptions.Err.
func broken(n int) (iter.Seq[int], *pool.MapOptions) {
	var err error
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
		err = errInput
	}, &pool.MapOptions{Err: func() error { return err }}
}

// O06, O10, O11: an input's error comes after the results of what was before it, has no
// remote part (O15), and leaves the pool usable. So does an input's panic.
func TestInputFailsO06O10O11(t *testing.T) {
	p := newPool(t, 2, nil)
	ctx := watchdog(t)
	for _, n := range []int{0, 1, 30} {
		in, o := broken(n)
		r, err := square.Map(ctx, p, in, o)
		require.ErrorIs(t, err, errInput)
		require.Equal(t, squares(n), r)
		var remote *pool.RemoteError
		require.False(t, errors.As(err, &remote))
		for _, chunk := range []int{0, 1, 7} {
			for name, f := range map[string]func(context.Context, *pool.Pool, iter.Seq[int], *pool.MapOptions) iter.Seq2[int, error]{
				"ordered": square.Imap, "unordered": square.ImapUnordered,
			} {
				in, o := broken(n)
				o.Chunk = chunk
				var got []int
				var end error
				for r, err := range f(ctx, p, in, o) {
					if end = err; err == nil {
						got = append(got, r)
					}
				}
				require.ErrorIs(t, end, errInput)
				if name == "unordered" {
					slices.Sort(got)
				}
				require.Equal(t, squares(n), append([]int{}, got...))
			}
		}
		require.PanicsWithValue(t, "input", func() {
			square.Map(ctx, p, func(yield func(int) bool) {
				for i := range n {
					yield(i)
				}
				panic("input")
			}, nil)
		})
	}
	n, err := square.Apply(ctx, p, 3)
	require.NoError(t, err)
	require.Equal(t, 9, n)
}

// O07, O08, F41: Get waits for the result, or for its context.
func TestGetWaitsO07O08F41(t *testing.T) {
	p := newPool(t, 1, nil)
	name, g := newGate(t)
	f := hold.Go(context.Background(), p, atGate{name, 5})
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	_, err := f.Get(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, f.Err(), pool.ErrNotDone)
	g.Open.Set()
	r, err := f.Get(watchdog(t))
	require.NoError(t, err)
	require.Equal(t, 5, r[0])
	require.NoError(t, f.Err())
}

// O09, O11: Imap in order, ImapUnordered all of them.
func TestImapO09O11(t *testing.T) {
	p := newPool(t, 2, nil)
	for _, chunk := range []int{0, 1, 10, 333} {
		var got []int
		for r, err := range square.Imap(watchdog(t), p, span(1000), &pool.MapOptions{Chunk: chunk}) {
			require.NoError(t, err)
			got = append(got, r)
		}
		require.Equal(t, squares(1000), got)
		got = nil
		for r, err := range square.ImapUnordered(watchdog(t), p, span(1000), &pool.MapOptions{Chunk: chunk}) {
			require.NoError(t, err)
			got = append(got, r)
		}
		slices.Sort(got)
		require.Equal(t, squares(1000), got)
	}
}

// ImapUnordered hands out what is there while another task still runs.
func TestUnorderedDoesNotWaitO11(t *testing.T) {
	p := newPool(t, 2, nil)
	name, g := newGate(t)
	n := 0
	in := func(yield func(atGate) bool) {
		if yield(atGate{name, 0}) {
			for i := 1; i < 10 && yield(atGate{"", i}); i++ {
			}
		}
	}
	for _, err := range hold.ImapUnordered(watchdog(t), p, in, &pool.MapOptions{Chunk: 1}) {
		if n++; n == 9 { // the nine that found no gate
			g.Open.Set()
		}
		if n < 10 {
			require.Error(t, err)
		} else {
			require.NoError(t, err)
		}
	}
	require.Equal(t, 10, n)
}

// W-19: Imap takes a bounded number of inputs ahead.
func TestImapIsLazyW19(t *testing.T) {
	p := newPool(t, 2, nil)
	for _, o := range []*pool.MapOptions{{Window: 7}, {Window: 7, Chunk: 3}, {Window: 1}} {
		taken, got := 0, 0
		in := func(yield func(int) bool) {
			for yield(taken) {
				taken++
			}
		}
		for r, err := range square.Imap(watchdog(t), p, in, o) {
			require.NoError(t, err)
			require.Equal(t, got*got, r)
			require.LessOrEqual(t, taken-got, o.Window)
			if got++; got == 100 {
				break
			}
		}
	}
	await(t, "what was left is dropped", func() bool { s := p.Stats(); return s.Waiting == 0 && s.Idle == s.Workers })

	// By default 128 messages for each worker, and as many that are done and wait for others
	// before them.
	name, g := newGate(t)
	const most = 2 * 128
	taken := 0
	in := func(yield func(atGate) bool) {
		for yield(atGate{name, taken}) {
			if taken++; taken == most-1 { // one more was taken, and nobody asks for the next
				g.Open.Set()
			}
		}
	}
	for _, err := range hold.Imap(watchdog(t), p, in, &pool.MapOptions{Chunk: 1}) {
		require.NoError(t, err)
		require.LessOrEqual(t, taken, 2*most+2, "when the first result is there")
		break
	}
}

// O12, F07: how many workers.
func TestSizeO12F07(t *testing.T) {
	for _, n := range []int{0, -1, pool.MaxWorkers + 1, math.MinInt} {
		_, err := pool.New(n, nil)
		require.ErrorIs(t, err, pool.ErrWorkers)
	}
	p := newPool(t, 3, &pool.Options{Eager: true})
	require.Equal(t, 3, p.Size())
	require.Equal(t, 3, p.Stats().Workers)
	require.Len(t, p.Stats().PerWorker, 3)
	require.Len(t, proc.Children(), 3)
}

// O13, F19: Terminate ends a pool with ten thousand endless tasks.
func TestTerminateO13F19(t *testing.T) {
	p := newPool(t, 2, nil)
	name, g := newGate(t)
	var futures []*pool.Future[[2]int]
	for i := range 10000 {
		futures = append(futures, hold.Go(context.Background(), p, atGate{name, i}))
	}
	await(t, "they run", func() bool { return g.Begun.Load() == 2 })
	p.Terminate()
	require.NoError(t, p.Join(watchdog(t)))
	for _, f := range futures {
		_, err := f.Get(watchdog(t))
		require.ErrorIs(t, err, pool.ErrTerminated)
	}
	require.Empty(t, proc.Children())
	_, err := square.Apply(watchdog(t), p, 1)
	require.ErrorIs(t, err, pool.ErrClosed)
	p.Terminate()
	p.Close()
	require.NoError(t, p.Join(watchdog(t)))

	never := newPool(t, 2, nil)
	never.Terminate() // F19: nothing was started
	require.NoError(t, never.Join(watchdog(t)))
}

// O14, O19, F30: what comes after Close or Terminate is refused, and Join before.
func TestAfterCloseO14O19F30(t *testing.T) {
	for _, end := range []func(*pool.Pool){(*pool.Pool).Close, (*pool.Pool).Terminate} {
		p := newPool(t, 1, nil)
		_, err := square.Apply(watchdog(t), p, 2)
		require.NoError(t, err)
		require.ErrorIs(t, p.Join(watchdog(t)), pool.ErrRunning)
		end(p)
		f := square.Go(t.Context(), p, 1)
		require.ErrorIs(t, f.Err(), pool.ErrClosed)
		require.ErrorIs(t, f.Err(), os.ErrClosed)
		_, err = square.Map(t.Context(), p, span(10), nil)
		require.ErrorIs(t, err, pool.ErrClosed)
		for _, err := range square.Imap(t.Context(), p, span(10), nil) {
			require.ErrorIs(t, err, pool.ErrClosed)
		}
		require.NoError(t, p.Join(watchdog(t)))
	}
}

type traced struct{}

func (traced) Error() string { return "short" }
func (traced) Format(s fmt.State, verb rune) {
	fmt.Fprint(s, "short")
	if verb == 'v' && s.Flag('+') {
		fmt.Fprint(s, "\nand the stack")
	}
}

var fails = pool.RegisterTask("fails", func(_ context.Context, way string) (int, error) {
	switch way {
	case "traced":
		return 0, traced{}
	case "file":
		_, err := os.Open("/nowhere")
		return 0, err
	case "number":
		return 0, os.NewSyscallError("call", syscall.EXDEV)
	case "context":
		return 0, fmt.Errorf("inner: %w", context.DeadlineExceeded)
	}
	return 0, errors.New(way)
})

// O15, F11, F24, F03: errors arrive with their text and detail, and are what they were.
func TestErrorsO15F11F24(t *testing.T) {
	p := newPool(t, 1, nil)
	ctx := watchdog(t)
	_, err := fails.Apply(ctx, p, "traced")
	var remote *pool.RemoteError
	require.ErrorAs(t, err, &remote)
	require.Equal(t, "short", remote.Error())
	require.Equal(t, "short\nand the stack", remote.Detail)
	require.Equal(t, "pool_test.traced", remote.Type)
	require.Equal(t, "fails", remote.Task)
	require.Equal(t, p.Stats().PerWorker[0].PID, remote.PID)
	_, err = fails.Apply(ctx, p, "file")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorIs(t, err, syscall.ENOENT)
	_, err = fails.Apply(ctx, p, "number")
	require.ErrorIs(t, err, syscall.EXDEV)
	require.NotErrorIs(t, err, os.ErrNotExist)
	_, err = fails.Apply(ctx, p, "context")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Panics(t, func() { proc.RegisterError("odd", errInput) })
	require.Panics(t, func() { pool.RegisterTask("square", square1) })
	require.Panics(t, func() { pool.RegisterTask("", square1) })
}

func square1(context.Context, int) (int, error) { return 0, nil }

var blob = pool.RegisterTask("blob", func(_ context.Context, n int) ([]byte, error) {
	if n < 0 {
		return nil, errOdd
	}
	return make([]byte, n), nil
})

// O17: large results are taken also after an error; nobody is stuck.
func TestLargeResultsAfterErrorO17(t *testing.T) {
	p := newPool(t, 2, nil)
	in := []int{-1}
	for range 20 {
		in = append(in, 1<<20)
	}
	r, err := blob.Map(watchdog(t), p, slices.Values(in), &pool.MapOptions{Chunk: 1})
	require.ErrorIs(t, err, errOdd)
	for _, b := range r[1:] {
		require.Len(t, b, 1<<20)
	}
	p.Close()
	require.NoError(t, p.Join(watchdog(t)))
}

// O18, F06: neither arguments nor results are kept.
func TestNothingIsKeptO18F06(t *testing.T) {
	p := newPool(t, 1, nil)
	arg := &sum{A: 1, Note: "kept?"}
	ref := weak.Make(arg)
	f := addTo.Go(watchdog(t), p, arg)
	arg = nil
	r, err := f.Get(watchdog(t))
	require.NoError(t, err)
	result := weak.Make(r)
	r = nil
	await(t, "the argument goes", func() bool { runtime.GC(); return ref.Value() == nil })
	require.NotNil(t, result.Value(), "a future keeps its result")
	runtime.KeepAlive(f)
	f = nil
	await(t, "the result goes", func() bool { runtime.GC(); return result.Value() == nil })
	_, err = square.Apply(watchdog(t), p, 1)
	require.NoError(t, err)
}

// O18, F06: nor by a worker; and a Map keeps neither what it has handed out.
func TestNothingIsKeptByWorkersO18F06(t *testing.T) {
	p := newPool(t, 1, nil)
	for range 3 {
		n, err := keep.Apply(watchdog(t), p, &sum{A: 1, Note: "kept?"})
		require.NoError(t, err)
		require.Zero(t, n, "arguments of tasks before")
	}
	var refs []weak.Pointer[sum]
	func() {
		var in []*sum
		for i := range 20 {
			in = append(in, &sum{A: i, Note: "kept?"})
			refs = append(refs, weak.Make(in[i]))
		}
		r, err := addTo.MapSlice(watchdog(t), p, in, &pool.MapOptions{Chunk: 3})
		require.NoError(t, err)
		for _, s := range r {
			refs = append(refs, weak.Make(s))
		}
		for s, err := range addTo.Imap(watchdog(t), p, slices.Values(in), nil) {
			require.NoError(t, err)
			refs = append(refs, weak.Make(s))
		}
	}()
	for _, ref := range refs {
		await(t, "it goes", func() bool { runtime.GC(); return ref.Value() == nil })
	}
}

// keep returns how many arguments of tasks before are still there.
var keep = pool.RegisterTask("keep", func(_ context.Context, s *sum) (n int, err error) {
	runtime.GC()
	for _, ref := range keptSums {
		if ref.Value() != nil {
			n++
		}
	}
	keptSums = append(keptSums, weak.Make(s))
	return n, nil
})

var keptSums []weak.Pointer[sum]

var addTo = pool.RegisterTask("addTo", func(_ context.Context, s *sum) (*sum, error) { return s, nil })

// O20, F35: a pool that nobody knows any more ends by itself, after its work.
func TestLostPoolO20F35(t *testing.T) {
	p, err := pool.New(1, nil)
	require.NoError(t, err)
	f := square.Go(t.Context(), p, 3)
	p = nil
	await(t, "it ends", func() bool { runtime.GC(); return len(proc.Children()) == 0 })
	r, err := f.Get(watchdog(t))
	require.NoError(t, err)
	require.Equal(t, 9, r)
}

// O22, F25: a result that cannot be encoded fails its task alone, twenty times.
func TestResultCannotBeEncodedO22F25(t *testing.T) {
	p := newPool(t, 1, nil)
	for range 20 {
		_, err := become.Apply(watchdog(t), p, "refuse")
		require.ErrorIs(t, err, pool.ErrResult)
		require.ErrorContains(t, err, "I do not travel")
	}
	require.Equal(t, 1, p.Stats().Started)
	for _, mood := range []string{"panic", "exit"} { // F25: they end the worker
		_, err := become.Apply(watchdog(t), p, mood)
		require.ErrorIs(t, err, pool.ErrWorkerDied)
	}
	r, err := become.Apply(watchdog(t), p, "fine")
	require.NoError(t, err)
	require.Equal(t, "fine", r.Mood)
}

// O23: workers are replaced after so many tasks.
func TestMaxTasksO23(t *testing.T) {
	p := newPool(t, 3, &pool.Options{MaxTasks: 10})
	r, err := square.Map(watchdog(t), p, span(100), nil)
	require.NoError(t, err)
	require.Equal(t, squares(100), r)
	require.GreaterOrEqual(t, p.Stats().Started, 10)
	await(t, "they leave", func() bool { return p.Stats().Retired >= 7 })
	require.Zero(t, p.Stats().Died)
	for _, w := range p.Stats().PerWorker {
		require.LessOrEqual(t, w.Done, 10)
	}
}

// O24, F17, F15, F16: Close while workers come and go.
func TestMaxTasksEarlyCloseO24F15F17(t *testing.T) {
	for range 3 {
		p := newPool(t, 2, &pool.Options{MaxTasks: 1})
		var fs []*pool.Future[int]
		for i := range 12 {
			fs = append(fs, square.Go(t.Context(), p, i))
		}
		p.Close()
		require.NoError(t, p.Join(watchdog(t)))
		for i, f := range fs {
			r, err := f.Get(watchdog(t))
			require.NoError(t, err)
			require.Equal(t, i*i, r)
		}
		require.Equal(t, 12, p.Stats().Retired)
	}
}

// O25: options out of range.
func TestOptionsO25(t *testing.T) {
	for _, o := range []*pool.Options{{MaxTasks: -1}, {Grace: -1}, {MaxMessage: -1}} {
		_, err := pool.New(1, o)
		require.ErrorIs(t, err, pool.ErrOption)
	}
}

var forgetful = proc.Register("forgetful", func(ctx context.Context, _ struct{}) error {
	p, err := pool.New(2, nil)
	if err != nil {
		return err
	}
	global = p
	_, err = square.Map(ctx, p, span(100), nil)
	return err
})

var global *pool.Pool

// O26, F31: a pool that is never closed keeps no program from ending.
func TestNeverClosedO26(t *testing.T) {
	c, err := forgetful.Start(watchdog(t), struct{}{}, nil)
	require.NoError(t, err)
	require.NoError(t, c.Wait(watchdog(t)))
}

var pending = proc.Register("pending", func(ctx context.Context, name string) error {
	p, err := pool.New(2, nil)
	if err != nil {
		return err
	}
	global = p
	o, err := openGate(ctx, name)
	if err != nil {
		return err
	}
	for i := range 100 {
		hold.Go(ctx, p, atGate{name, i})
	}
	for o.Ptr().Begun.Load() < 2 {
		time.Sleep(time.Millisecond) // sleep: between two looks
	}
	return nil
})

// O26, F31: nor one that has work under way and work that waits, which ends with it.
func TestNeverClosedWithWorkO26F31(t *testing.T) {
	name, g := newGate(t)
	c, err := pending.Start(watchdog(t), name, nil)
	require.NoError(t, err)
	require.NoError(t, c.Wait(watchdog(t)))
	require.EqualValues(t, 2, g.Begun.Load(), "no other has begun")
}

var greeting string

var initialize = pool.RegisterInit("initialize", func(_ context.Context, s string) error {
	switch s {
	case "":
		return fmt.Errorf("no greeting: %w", errOdd)
	case "panic":
		panic("no greeting")
	case "exit":
		os.Exit(3)
	}
	greeting += s
	return nil
})

var greet = pool.RegisterTask("greet", func(context.Context, struct{}) (string, error) { return greeting, nil })

// O27, F36: the initializer runs once in each worker, before its tasks; if it fails, the
// pool is broken, and says why.
func TestInitializerO27F36(t *testing.T) {
	p := newPool(t, 2, &pool.Options{Init: initialize("hello")})
	for range 3 {
		r, err := greet.Apply(watchdog(t), p, struct{}{})
		require.NoError(t, err)
		require.Equal(t, "hello", r)
	}
	for _, s := range []string{"", "panic", "exit"} {
		p := newPool(t, 2, &pool.Options{Init: initialize(s)})
		f, g := greet.Go(t.Context(), p, struct{}{}), square.Go(t.Context(), p, 1)
		for _, done := range []func(context.Context) error{
			func(ctx context.Context) error { _, err := f.Get(ctx); return err },
			func(ctx context.Context) error { _, err := g.Get(ctx); return err },
			func(ctx context.Context) error { _, err := square.Apply(ctx, p, 1); return err },
		} {
			err := done(watchdog(t))
			require.ErrorIs(t, err, pool.ErrInit)
			var exit *proc.ExitError
			switch s {
			case "":
				require.ErrorIs(t, err, errOdd)
			case "exit":
				require.ErrorAs(t, err, &exit)
				require.Equal(t, 3, exit.Code)
			default:
				require.ErrorContains(t, err, "no greeting")
			}
		}
		p.Close()
		require.NoError(t, p.Join(watchdog(t)))
		_, err := pool.New(2, &pool.Options{Init: initialize(s), Eager: true})
		require.ErrorIs(t, err, pool.ErrInit)
	}
	require.Len(t, proc.Children(), p.Stats().Workers, "of those that failed none is left")
	_, err := pool.New(1, &pool.Options{Init: initFunc(func() {})})
	require.ErrorIs(t, err, pool.ErrArgument)
}

var initFunc = pool.RegisterInit("a function", func(context.Context, func()) error { return nil })

// Processes that find a directory in their environment count themselves there; those that
// come after some others end.
func init() {
	dir := os.Getenv("POOL_TEST_COUNT")
	spared, _ := strconv.Atoi(os.Getenv("POOL_TEST_SPARED"))
	for i := 0; dir != ""; i++ {
		f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(i)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err == nil {
			fmt.Fprint(f, os.Getpid())
			f.Close()
		}
		if i >= spared {
			os.Exit(9)
		}
		return
	}
}

// O28: when a worker cannot be started, those that were are stopped.
func TestStartFailsO28(t *testing.T) {
	_, err := pool.New(4, &pool.Options{Eager: true, Process: proc.Options{Dir: "/nowhere"}})
	require.ErrorIs(t, err, pool.ErrStart)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Empty(t, proc.Children())

	// The fourth one of four.
	dir := t.TempDir()
	_, err = pool.New(4, &pool.Options{Eager: true, Process: proc.Options{
		Env: append(os.Environ(), "POOL_TEST_COUNT="+dir, "POOL_TEST_SPARED=3"),
	}})
	require.ErrorIs(t, err, pool.ErrStart)
	require.Empty(t, proc.Children())
	for i := range 4 {
		b, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i)))
		require.NoError(t, err)
		n, err := strconv.Atoi(string(b))
		require.NoError(t, err)
		require.Equal(t, byte('Z'), state(n))
	}

	p := newPool(t, 4, &pool.Options{Process: proc.Options{Dir: "/nowhere"}})
	for range 2 {
		_, err = square.Apply(watchdog(t), p, 1)
		require.ErrorIs(t, err, pool.ErrStart)
	}
}

// O29: two hundred workers, and not two hundred threads.
func TestManyWorkersO29(t *testing.T) {
	if testing.Short() {
		t.Skip("200 processes")
	}
	p := newPool(t, 200, &pool.Options{Eager: true})
	r, err := square.Map(watchdog(t), p, span(1000), nil)
	require.NoError(t, err)
	require.Equal(t, squares(1000), r)
	require.Equal(t, 200, p.Stats().Workers)
	status, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	require.Less(t, len(status), 100, "threads")
}

var nested = pool.RegisterTask("nested", func(ctx context.Context, n int) ([]int, error) {
	p, err := pool.New(2, nil)
	if err != nil {
		return nil, err
	}
	defer p.Terminate()
	return square.Map(ctx, p, span(n), nil)
})

var child = proc.Register("child with a pool", func(ctx context.Context, _ struct{}) error {
	p, err := pool.New(2, nil)
	if err != nil {
		return err
	}
	defer p.Terminate()
	r, err := nested.Apply(ctx, p, 10)
	if err == nil && !slices.Equal(r, squares(10)) {
		err = fmt.Errorf("%v", r)
	}
	return err
})

// O30: a pool in a child, and a pool in a worker of that.
func TestPoolInChildO30(t *testing.T) {
	c, err := child.Start(watchdog(t), struct{}{}, nil)
	require.NoError(t, err)
	require.NoError(t, c.Wait(watchdog(t)))

	d, err := child.Start(watchdog(t), struct{}{}, &proc.Options{Daemon: true})
	require.NoError(t, err)
	require.ErrorContains(t, d.Wait(watchdog(t)), proc.ErrDaemon.Error())
}

// X07, W-1, F08, F10, F22, F23: a worker that dies fails the task that it ran, and no
// other; a panic in a callback harms nobody (W-2).
func TestWorkerDiesX07W1(t *testing.T) {
	var panics atomic.Int64
	p := newPool(t, 2, &pool.Options{OnPanic: func(c pool.CallbackPanic) { panics.Add(1) }})
	ctx := watchdog(t)
	for way, code := range map[string]int{"kill": -9, "exit": 99, "exit well": 0, "panic": 2, "goroutine": 2, "goexit": 1, "fault": 2} {
		var fs []*pool.Future[string]
		for i := range 8 {
			w := "live"
			if i == 3 {
				w = way
			}
			f := die.Go(ctx, p, w)
			f.OnDone(func(string, error) { panic("in a callback") })
			fs = append(fs, f)
		}
		for i, f := range fs {
			r, err := f.Get(ctx)
			if i != 3 {
				require.NoError(t, err, way)
				require.Equal(t, "live", r)
				continue
			}
			require.ErrorIs(t, err, pool.ErrWorkerDied, way)
			var exit *proc.ExitError
			require.ErrorAs(t, err, &exit, way)
			require.Equal(t, code, exit.Code, way)
			if code == 99 {
				require.ErrorContains(t, err, "exited with code 99")
			}
			var panicked *proc.PanicError
			require.Equal(t, code == 2, errors.As(err, &panicked), way)
		}
	}
	require.EqualValues(t, 7*8, panics.Load())
	require.Equal(t, 7*8, p.Stats().CallbackPanics)
	n, err := square.Apply(ctx, p, 3)
	require.NoError(t, err)
	require.Equal(t, 9, n)
}

// X07: of a chunk only the task that ran fails; those before it keep their results, those
// after it run elsewhere, each once.
func TestChunkOfDeadWorkerX07(t *testing.T) {
	p := newPool(t, 2, nil)
	for _, at := range []int{0, 1, 7, 19} {
		name, g := newGate(t)
		g.Open.Set()
		var in []deadly
		for i := range 20 {
			in = append(in, deadly{Value: i, Dies: i == at})
			copy(in[i].Gate[:], name)
		}
		for _, chunk := range []int{1, 20, 0} {
			g.Begun.Store(0)
			r, err := mayDie.Map(watchdog(t), p, slices.Values(in), &pool.MapOptions{Chunk: chunk})
			var item *pool.ItemError
			require.ErrorAs(t, err, &item)
			require.ErrorIs(t, err, pool.ErrWorkerDied)
			require.Equal(t, at, item.Index)
			require.EqualValues(t, 20, g.Begun.Load(), "each ran once")
			for i, v := range r {
				if i != at {
					require.Equal(t, i+1, v)
				}
			}
		}
	}
}

// deadly has no pointers, so that results lie in the tray.
type deadly struct {
	Gate  [96]byte
	Value int
	Dies  bool
}

var mayDie = pool.RegisterTask("mayDie", func(ctx context.Context, d deadly) (int, error) {
	name := string(d.Gate[:slices.Index(d.Gate[:], 0)])
	o, err := openGate(ctx, name)
	if err != nil {
		return 0, err
	}
	defer o.Close()
	o.Ptr().Begun.Add(1)
	if d.Dies {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return d.Value + 1, nil
})
