//go:build !explore

package futex

import (
	"context"
	"errors"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// sleeps are the ways to sleep on word 0 of a table.
var sleeps = map[string]func(context.Context, *table) error{
	"Sleep":    func(ctx context.Context, w *table) error { return Sleep(ctx, &w[0], 0, nil) },
	"SleepAny": func(ctx context.Context, w *table) error { return SleepAny(ctx, words(w, 3), nil) },
}

func eachSleep(t *testing.T, test func(t *testing.T, w *table, sleep func(context.Context) error)) {
	ways(t, func(t *testing.T) {
		for name, sleep := range sleeps {
			t.Run(name, func(t *testing.T) {
				w, _ := newTable(t)
				test(t, w, func(ctx context.Context) error { return sleep(ctx, w) })
			})
		}
	})
}

func TestEndedContext(t *testing.T) {
	eachSleep(t, func(t *testing.T, w *table, sleep func(context.Context) error) {
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, sleep(cancelled), context.Canceled)
		for _, ago := range []time.Duration{0, time.Nanosecond, time.Hour, math.MaxInt64} {
			ctx, cancel := context.WithTimeout(t.Context(), -ago)
			require.ErrorIs(t, sleep(ctx), context.DeadlineExceeded)
			cancel()
		}
	})
}

func TestDeadline(t *testing.T) {
	eachSleep(t, func(t *testing.T, w *table, sleep func(context.Context) error) {
		for _, d := range []time.Duration{time.Microsecond, 3 * time.Millisecond, 30 * time.Millisecond} {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), d)
			var err error
			for err == nil {
				err = sleep(ctx)
			}
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.GreaterOrEqual(t, time.Since(began), d)
		}
	})
}

// A deadline beyond what the kernel's clock can express is no deadline.
func TestFarDeadline(t *testing.T) {
	eachSleep(t, func(t *testing.T, w *table, sleep func(context.Context) error) {
		for _, d := range []time.Duration{time.Hour, 1 << 62, math.MaxInt64} {
			w[0].Store(0)
			ctx, cancel := context.WithTimeout(t.Context(), d)
			done := start(func() error { return sleep(ctx) })
			await(t, func() bool { return sleepers(&w[0]) == 1 || len(done) > 0 })
			require.Empty(t, done, "did not sleep")
			w[0].Store(1)
			WakeAll(&w[0])
			require.NoError(t, result(t, done))
			cancel()
		}
	})
}

// cause is what ends a context on demand, with a deadline that is far away.
func TestCancelWithDeadline(t *testing.T) {
	eachSleep(t, func(t *testing.T, w *table, sleep func(context.Context) error) {
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		done := start(func() error {
			for {
				if err := sleep(ctx); err != nil {
					return err
				}
			}
		})
		awaitSleepers(t, &w[0], 1)
		stop()
		require.ErrorIs(t, result(t, done), context.Canceled)
	})
}

// Whoever is cancelled leaves, and the others, of this and of other processes,
// do not notice.
func TestCancelDisturbsNobody(t *testing.T) {
	testproc.Need(t, "futex_waitv", haveWaitv())
	w, f := newTable(t)
	p := testproc.Start(t, "sleeper", testproc.Files(f))
	awaitSleepers(t, &w[0], 1)
	strangers := []<-chan error{
		start(func() error { return SleepAny(context.Background(), []Word{{&w[0], 0}}, nil) }),
		start(func() error { return SleepAny(t.Context(), []Word{{&w[0], 0}, {&w[9], 0}}, nil) }),
	}
	awaitSleepers(t, &w[0], 3)
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		one := start(func() error { return SleepAny(ctx, []Word{{&w[0], 0}}, nil) })
		awaitSleepers(t, &w[0], 4)
		cancel()
		require.ErrorIs(t, result(t, one), context.Canceled)
		require.Equal(t, 3, sleepers(&w[0]))
	}
	for _, s := range strangers {
		require.Empty(t, s, "a stranger was woken")
	}
	w[0].Store(1)
	WakeAll(&w[0])
	for _, s := range strangers {
		require.NoError(t, result(t, s))
	}
	p.Expect("1") // it returned once, for the store
}

// In a group, the cancellation of the leader hands the lead on, that of a
// follower touches nobody.
func TestCancelInAGroup(t *testing.T) {
	ways(t, func(t *testing.T) {
		w, _ := newTable(t)
		const n = 6
		var cancels []context.CancelFunc
		var done []<-chan error
		for i := range n {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cancels = append(cancels, cancel)
			done = append(done, start(func() error {
				for {
					if err := Sleep(ctx, &w[0], 0, nil); err != nil || w[0].Load() != 0 {
						return err
					}
				}
			}))
			await(t, func() bool { return followers(&w[0]) == i && (i > 0 || sleepers(&w[0]) == 1) })
		}
		for _, i := range []int{2, 0, 5} { // a follower, the leader, a follower
			cancels[i]()
			require.ErrorIs(t, result(t, done[i]), context.Canceled)
		}
		for _, i := range []int{1, 3, 4} {
			require.Empty(t, done[i])
		}
		awaitSleepers(t, &w[0], 1)
		w[0].Store(1)
		Wake(&w[0], 1)
		for _, i := range []int{1, 3, 4} {
			require.NoError(t, result(t, done[i]))
		}
	})
}

// Signals end a kernel wait that has a deadline (EINTR); nobody takes that for
// its end.
func TestSignalsBombardASleeper(t *testing.T) {
	eachSleep(t, func(t *testing.T, w *table, sleep func(context.Context) error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		tid := make(chan int, 1)
		returns := 0
		done := start(func() error {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			tid <- unix.Gettid()
			for w[0].Load() == 0 {
				if err := sleep(ctx); err != nil {
					return err
				}
				returns++
			}
			return nil
		})
		thread := <-tid
		for range 200 {
			awaitSleepers(t, &w[0], 1)
			// Go takes SIGURG for its own and otherwise ignores it.
			require.NoError(t, unix.Tgkill(unix.Getpid(), thread, unix.SIGURG))
		}
		require.Empty(t, done)
		w[0].Store(1)
		WakeAll(&w[0])
		require.NoError(t, result(t, done))
		t.Logf("%d of 200 signals ended a sleep early", returns-1)
	})
}

// A context may say what it likes about its end.
func TestContextCauseIsNotMixedUp(t *testing.T) {
	w, _ := newTable(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	done := start(func() error { return Sleep(ctx, &w[0], 0, nil) })
	awaitSleepers(t, &w[0], 1)
	cancel(errors.New("because"))
	require.ErrorIs(t, result(t, done), context.Canceled)
}
