package pool_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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

var blob = pool.RegisterTask("blob", func(_ context.Context, n int) ([]byte, error) {
	if n < 0 {
		return nil, errOdd
	}
	return make([]byte, n), nil
})

// F04: a deadline of the whole: what is there, then the context's error; what runs is
// cancelled.
func TestMapDeadlineF04(t *testing.T) {
	p := newPool(t, 2, nil)
	name, g := newGate(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	in := func(yield func(atGate) bool) {
		_ = yield(atGate{"", 1}) && yield(atGate{name, 2}) && yield(atGate{"", 3})
	}
	var errs []error
	for _, err := range hold.Imap(ctx, p, in, &pool.MapOptions{Chunk: 1}) {
		if errs = append(errs, err); len(errs) == 1 {
			go func() {
				for g.Begun.Load() == 0 {
					time.Sleep(time.Millisecond) // sleep: between two looks
				}
				cancel(nil)
			}()
		}
	}
	require.Len(t, errs, 2)
	require.NotErrorIs(t, errs[0], context.Canceled, "it found no gate")
	require.ErrorIs(t, errs[1], context.Canceled)
	await(t, "the task hears of it", func() bool { return g.Ended.Load() == 1 })

	// A deadline, which comes when the second task runs.
	open, h := newGate(t)
	h.Open.Set()
	end := deadline{t.Context(), make(chan struct{})}
	go func() {
		for g.Begun.Load() < 2 || h.Begun.Load() < 1 {
			time.Sleep(time.Millisecond) // sleep: between two looks
		}
		for p.Stats().Done < 2 { // the first of each
			time.Sleep(time.Millisecond) // sleep: between two looks
		}
		close(end.over)
	}()
	r, err := hold.Map(end, p, slices.Values([]atGate{{open, 1}, {name, 2}}), &pool.MapOptions{Chunk: 1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotEmpty(t, r)
	require.Equal(t, 1, r[0][0], "what is there")
	await(t, "the task hears of it", func() bool { return g.Ended.Load() == 2 })
}

// deadline is a context whose time is up when the test says so.
type deadline struct {
	context.Context
	over chan struct{}
}

func (d deadline) Done() <-chan struct{} { return d.over }

func (d deadline) Err() error {
	select {
	case <-d.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// Progress: serial, rising, and in the end complete.
func TestProgress(t *testing.T) {
	p := newPool(t, 2, nil)
	var seen []pool.Progress
	o := &pool.MapOptions{Every: 1, Total: 100, Chunk: 5, Progress: func(r pool.Progress) { seen = append(seen, r) }}
	check := func() {
		t.Helper()
		require.NotEmpty(t, seen)
		for i := 1; i < len(seen); i++ {
			require.GreaterOrEqual(t, seen[i].Done, seen[i-1].Done)
			require.False(t, seen[i-1].Over)
		}
		last := seen[len(seen)-1]
		require.Equal(t, pool.Progress{Done: 100, Failed: 50, Total: 100, Elapsed: last.Elapsed, Over: true}, last)
		seen = nil
	}
	_, err := evens.Map(watchdog(t), p, span(100), o)
	require.Error(t, err)
	check()
	for range evens.Imap(watchdog(t), p, span(100), o) {
	}
	check()
	o.Progress = func(pool.Progress) { panic("progress") }
	require.PanicsWithValue(t, "progress", func() { evens.Map(watchdog(t), p, span(10), o) })
	_, err = square.Apply(watchdog(t), p, 1)
	require.NoError(t, err)
}

// A slow input does not keep what came before it waiting.
func TestSlowInput(t *testing.T) {
	p := newPool(t, 1, nil)
	release := make(chan struct{})
	in := func(yield func(int) bool) {
		for i := range 3 {
			if i == 2 {
				<-release
			}
			if !yield(i) {
				return
			}
		}
	}
	_, err := square.Map(watchdog(t), p, span(10000), nil)
	require.NoError(t, err)
	before := p.Stats().Done
	go func() {
		for p.Stats().Done < before+2 {
			time.Sleep(time.Millisecond) // sleep: between two looks
		}
		close(release)
	}()
	r, err := square.Map(watchdog(t), p, in, &pool.MapOptions{Chunk: 1000})
	require.NoError(t, err)
	require.Equal(t, squares(3), r)
}

// A chunk that is larger than what is left of a worker's life goes to several.
func TestChunkOverMaxTasks(t *testing.T) {
	p := newPool(t, 2, &pool.Options{MaxTasks: 3})
	r, err := square.Map(watchdog(t), p, span(20), &pool.MapOptions{Chunk: 10})
	require.NoError(t, err)
	require.Equal(t, squares(20), r)
	require.GreaterOrEqual(t, p.Stats().Started, 6)
}
