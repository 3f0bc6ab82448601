package pool_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
	"github.com/shmkit/shmkit/ringbuf"
)

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

// F21, F26: an argument that cannot be decoded by the worker, a result that cannot be
// decoded here.
func TestDecodingFailsF21F26(t *testing.T) {
	p := newPool(t, 1, nil)
	ctx := watchdog(t)
	_, err := echo.Apply(ctx, p, reluctant{"stay"})
	require.ErrorIs(t, err, pool.ErrArgument)
	require.Equal(t, 1, p.Stats().Started)
	for _, mood := range []string{"crash", "leave"} {
		_, err := echo.Apply(ctx, p, reluctant{mood})
		require.ErrorIs(t, err, pool.ErrWorkerDied)
	}
	for _, mood := range []string{"stay here", "crash here"} {
		_, err = echo.Apply(ctx, p, reluctant{mood})
		require.ErrorIs(t, err, pool.ErrResult)
		require.ErrorContains(t, err, "I do not arrive")
	}
	r, err := echo.Apply(ctx, p, reluctant{"fine"})
	require.NoError(t, err)
	require.Equal(t, "fine", r.Mood)
}

var size = pool.RegisterTask("size", func(_ context.Context, b []byte) (int, error) {
	if len(b) > 0 && b[0] == 'x' {
		os.Exit(5)
	}
	return len(b), nil
})

// F28: a worker dies while, or before, it gets an argument that is larger than the ring.
func TestLargeArgumentF28(t *testing.T) {
	p := newPool(t, 2, nil)
	ctx := watchdog(t)
	deadlyOne := make([]byte, 20<<20)
	deadlyOne[0] = 'x'
	n, err := size.Apply(ctx, p, make([]byte, 20<<20))
	require.NoError(t, err)
	require.Equal(t, 20<<20, n)
	for range 3 {
		f := size.Go(ctx, p, deadlyOne)
		for _, w := range p.Stats().PerWorker {
			kill(t, w.PID)
		}
		_, err := f.Get(ctx)
		require.ErrorIs(t, err, pool.ErrWorkerDied)
	}
	n, err = size.Apply(ctx, p, nil)
	require.NoError(t, err)
	require.Zero(t, n)
	for range 3 { // it dies with an argument that it has not begun to read
		for _, w := range p.Stats().PerWorker {
			stop(t, w.PID)
		}
		f := size.Go(ctx, p, make([]byte, 20<<20))
		for _, w := range p.Stats().PerWorker {
			kill(t, w.PID)
		}
		n, err := f.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, 20<<20, n)
	}
	r, err := blob.Apply(ctx, p, 20<<20) // a result that is larger than the ring
	require.NoError(t, err)
	require.Len(t, r, 20<<20)
	small := newPool(t, 1, &pool.Options{MaxMessage: 1 << 20})
	_, err = size.Apply(ctx, small, make([]byte, 2<<20))
	require.ErrorIs(t, err, pool.ErrArgument)
	require.ErrorIs(t, err, ringbuf.ErrTooLarge)
	_, err = blob.Apply(ctx, small, 2<<20)
	require.ErrorIs(t, err, pool.ErrResult)
	require.Zero(t, small.Stats().Died)
}

// Forms: what arrives is what was sent.
func TestForms(t *testing.T) {
	p := newPool(t, 1, nil)
	ctx := watchdog(t)
	for _, s := range []string{"", "x", strings.Repeat("long ", 1000)} {
		r, err := echoText.Apply(ctx, p, s)
		require.NoError(t, err)
		require.Equal(t, s, r)
	}
	for _, s := range [][]float32{nil, {}, {1, 2.5}, make([]float32, 99999)} {
		r, err := echoFloats.Apply(ctx, p, s)
		require.NoError(t, err)
		require.Equal(t, s, r)
	}
	for _, s := range []map[string][]any{nil, {"a": {int64(1), "b", nil}}} {
		r, err := echoMap.Apply(ctx, p, s)
		require.NoError(t, err)
		require.Equal(t, s, r)
	}
	_, err := badResult.Apply(ctx, p, 1)
	require.ErrorIs(t, err, pool.ErrResult)
	_, err = badArgument.Apply(ctx, p, nil)
	require.ErrorIs(t, err, pool.ErrArgument)
}

var (
	echoText   = pool.RegisterTask("echoText", func(_ context.Context, s string) (string, error) { return s, nil })
	echoFloats = pool.RegisterTask("echoFloats", func(_ context.Context, s []float32) ([]float32, error) { return s, nil })
	echoMap    = pool.RegisterTask("echoMap", func(_ context.Context, m map[string][]any) (map[string][]any, error) { return m, nil })

	badResult   = pool.RegisterTask("badResult", func(context.Context, int) (*os.File, error) { return nil, nil })
	badArgument = pool.RegisterTask("badArgument", func(context.Context, chan int) (int, error) { return 0, nil })
)

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
