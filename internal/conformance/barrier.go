package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// Barrier is where parties wait for each other.
type Barrier interface {
	Wait(ctx context.Context) (index int, err error)
	WaitAction(ctx context.Context, action func() error) (index int, err error)
	Reset(ctx context.Context) error
	Abort(ctx context.Context) error
	SetTimeout(ctx context.Context, d time.Duration) error
	Parties(ctx context.Context) (int, error)
	Waiting(ctx context.Context) (int, error)
	Broken(ctx context.Context) (bool, error)
}

// Barriers is the table of a Barrier.
type Barriers struct {
	New    func(t *testing.T, parties int) Barrier
	Broken error
}

// asleep waits until n wait.
func asleep(ctx context.Context, t *testing.T, b Barrier, n int) {
	t.Helper()
	eventually(ctx, t, func() bool {
		got, err := b.Waiting(ctx)
		ok(t, err)
		return got == n
	})
}

func clean(ctx context.Context, t *testing.T, b Barrier) {
	t.Helper()
	asleep(ctx, t, b, 0)
	is(t, false)(b.Broken(ctx))
}

// Run runs the table.
func (s Barriers) Run(t *testing.T) {
	const parties = 5
	wait := func(ctx context.Context, b Barrier) func(int) error {
		return func(int) error { _, err := b.Wait(ctx); return err }
	}
	broken := func(t *testing.T, errs <-chan error, n int) {
		t.Helper()
		for range n {
			fails(t, <-errs, s.Broken)
		}
	}
	for name, rounds := range map[string]int{"V16 V17 V18 once": 1, "V16 V17 V18 10": 10, "V25": 1000} {
		t.Run(name, func(t *testing.T) {
			ctx, b := bounded(t), s.New(t, parties)
			is(t, parties)(b.Parties(ctx))
			var came, acted, zeros atomic.Int64
			all(t, together(parties, func(int) error {
				for r := range int64(rounds) {
					came.Add(1)
					i, err := b.WaitAction(ctx, func() error {
						if n := came.Load(); n != (r+1)*parties {
							return fmt.Errorf("%d have come in round %d", n, r)
						}
						acted.Add(1)
						return nil
					})
					if err != nil {
						return err
					}
					if n := acted.Load(); n < r+1 || n > r+2 {
						return fmt.Errorf("%d actions in round %d", n, r)
					}
					if i == 0 {
						zeros.Add(1)
					}
				}
				return nil
			}), parties)
			if acted.Load() != int64(rounds) || zeros.Load() != int64(rounds) {
				t.Fatalf("%d actions, %d first ones in %d rounds", acted.Load(), zeros.Load(), rounds)
			}
			clean(ctx, t, b)
		})
	}
	t.Run("V17", func(t *testing.T) {
		ctx, b := bounded(t), s.New(t, parties)
		var seen [parties]atomic.Int32
		all(t, together(parties, func(int) error {
			i, err := b.Wait(ctx)
			if err == nil {
				seen[i].Add(1)
			}
			return err
		}), parties)
		for i := range seen {
			if seen[i].Load() != 1 {
				t.Fatalf("%d have the number %d", seen[i].Load(), i)
			}
		}
	})
	t.Run("V19 V21", func(t *testing.T) {
		ctx, b := bounded(t), s.New(t, parties)
		waits := together(parties-1, wait(ctx, b))
		asleep(ctx, t, b, parties-1)
		ok(t, b.Abort(ctx))
		broken(t, waits, parties-1)
		is(t, true)(b.Broken(ctx))
		_, err := b.Wait(ctx)
		fails(t, err, s.Broken)
		ok(t, b.Reset(ctx))
		all(t, together(parties, wait(ctx, b)), parties)
		clean(ctx, t, b)
	})
	t.Run("V20", func(t *testing.T) {
		ctx, b := bounded(t), s.New(t, parties)
		waits := together(parties-1, wait(ctx, b))
		asleep(ctx, t, b, parties-1)
		ok(t, b.Reset(ctx))
		broken(t, waits, parties-1)
		all(t, together(parties, wait(ctx, b)), parties)
		clean(ctx, t, b)
	})
	t.Run("V22", func(t *testing.T) {
		ctx, b := bounded(t), s.New(t, parties)
		waits := together(parties-2, wait(ctx, b))
		asleep(ctx, t, b, parties-2)
		brief, cancel := context.WithTimeout(ctx, soon)
		defer cancel()
		_, err := b.Wait(brief)
		fails(t, err, s.Broken)
		fails(t, err, context.DeadlineExceeded)
		_, err = b.Wait(ctx)
		fails(t, err, s.Broken)
		broken(t, waits, parties-2)
		is(t, true)(b.Broken(ctx))
	})
	t.Run("V23", func(t *testing.T) {
		b := s.New(t, 2)
		ok(t, b.SetTimeout(bounded(t), soon))
		_, err := b.Wait(t.Context())
		fails(t, err, s.Broken)
		fails(t, err, context.DeadlineExceeded)
		is(t, true)(b.Broken(bounded(t)))
	})
	t.Run("V24", func(t *testing.T) {
		ctx, b := bounded(t), s.New(t, 1)
		for range 3 {
			is(t, 0)(b.Wait(ctx))
		}
		clean(ctx, t, b)
	})
	t.Run("V26", func(t *testing.T) {
		ctx, b := bounded(t), s.New(t, parties)
		waits := together(parties-1, wait(ctx, b))
		asleep(ctx, t, b, parties-1)
		bad := errors.New("bad action")
		_, err := b.WaitAction(ctx, func() error { return bad })
		fails(t, err, s.Broken)
		fails(t, err, bad)
		broken(t, waits, parties-1)
		is(t, true)(b.Broken(ctx))
	})
}
