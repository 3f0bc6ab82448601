package pool_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc/pool"
)

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

// F03: Imap delivers what comes before a failure, then that, and goes on.
func TestImapFailureF03(t *testing.T) {
	p := newPool(t, 2, nil)
	for _, chunk := range []int{1, 4, 0} {
		i := 0
		for r, err := range evens.Imap(watchdog(t), p, span(10), &pool.MapOptions{Chunk: chunk}) {
			if i%2 == 0 {
				require.NoError(t, err)
				require.Equal(t, i, r)
			} else {
				require.ErrorIs(t, err, errOdd)
			}
			i++
		}
		require.Equal(t, 10, i)
		i = 0
		for _, err := range evens.Imap(watchdog(t), p, span(10), &pool.MapOptions{Chunk: chunk, StopOnError: true}) {
			require.Equal(t, i == 1, err != nil)
			i++
		}
		require.Equal(t, 2, i)
	}
	r, err := evens.Map(watchdog(t), p, span(6), nil)
	require.ErrorIs(t, err, errOdd)
	require.Equal(t, []int{0, 0, 2, 0, 4, 0}, r)
}
