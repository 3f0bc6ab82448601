package pool

import (
	"context"
	"fmt"
	"iter"
)

// Awaitable is a *Future of any type: a slice of them may hold several kinds.
type Awaitable interface {
	Done() <-chan struct{}
	Err() error
	State() State
	Cancel() bool
	base() *promise
}

// WaitAll waits until all of the futures have ended, or until ctx ends, and returns those
// that have, in the order in which they are given, and the others. Each is counted once,
// however often it is given. The error is nil if all have ended, else the context's.
func WaitAll[F Awaitable](ctx context.Context, futures ...F) (done, rest []F, err error) {
	return await(ctx, futures, func(ended, all int, _ *promise) bool { return ended == all })
}

// WaitAny waits until one of the futures has ended: all those that have are in done.
// Without any futures it returns at once. Else it is like WaitAll.
func WaitAny[F Awaitable](ctx context.Context, futures ...F) (done, rest []F, err error) {
	return await(ctx, futures, func(ended, all int, _ *promise) bool { return ended > 0 || all == 0 })
}

// WaitError waits until one of the futures has ended with an error, or all have ended
// without. Else it is like WaitAll.
func WaitError[F Awaitable](ctx context.Context, futures ...F) (done, rest []F, err error) {
	failed := false
	return await(ctx, futures, func(ended, all int, p *promise) bool {
		if p != nil && p.Err() != nil {
			failed = true
		}
		return failed || ended == all
	})
}

// distinct returns each future once, in order.
func distinct[F Awaitable](futures []F) ([]F, map[*promise]F) {
	var once []F
	of := make(map[*promise]F)
	for _, f := range futures {
		if _, ok := of[f.base()]; !ok {
			of[f.base()] = f
			once = append(once, f)
		}
	}
	return once, of
}

// await waits until enough says so, which is asked at first with nil, and with each
// future that has ended.
func await[F Awaitable](ctx context.Context, futures []F, enough func(ended, all int, p *promise) bool) (done, rest []F, err error) {
	once, of := distinct(futures)
	news := make(chan *promise, len(once))
	for _, f := range once {
		f.base().watch(news)
	}
	defer func() {
		for _, f := range once {
			f.base().unwatch(news)
		}
	}()
	ended := make(map[*promise]bool)
	stop := enough(0, len(of), nil)
	take := func(p *promise) {
		ended[p] = true
		stop = enough(len(ended), len(of), p) || stop
	}
	for {
		select { // those that have ended are all counted
		case p := <-news:
			take(p)
			continue
		default:
		}
		if stop {
			break
		}
		select {
		case p := <-news:
			take(p)
			continue
		case <-ctx.Done():
			err = ctx.Err()
		}
		break
	}
	for _, f := range once {
		if ended[f.base()] {
			done = append(done, f)
		} else {
			rest = append(rest, f)
		}
	}
	return done, rest, err
}

// AsCompleted returns the futures as they end, those that have ended first, each once
// however often it is given. If ctx ends before all have, the last thing is its error,
// which says how many are left.
func AsCompleted[F Awaitable](ctx context.Context, futures ...F) iter.Seq2[F, error] {
	return func(yield func(F, error) bool) {
		once, of := distinct(futures)
		news := make(chan *promise, len(once))
		for _, f := range once {
			f.base().watch(news)
		}
		defer func() {
			for _, f := range once {
				f.base().unwatch(news)
			}
		}()
		for left := len(once); left > 0; left-- {
			var p *promise
			select {
			case p = <-news:
			default:
				select {
				case p = <-news:
				case <-ctx.Done():
					yield(*new(F), fmt.Errorf("pool: %d (of %d) futures unfinished: %w", left, len(once), ctx.Err()))
					return
				}
			}
			if !yield(of[p], nil) {
				return
			}
		}
	}
}
