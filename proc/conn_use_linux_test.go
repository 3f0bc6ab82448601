package proc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
)

// here calls fn until it finds the Conn in this process.
func here(ctx context.Context, fn func() error) error {
	for {
		if err := fn(); !errors.Is(err, proc.ErrClosed) || ctx.Err() != nil {
			return err
		}
	}
}

// errSequence means that a message was lost, or came twice.
var errSequence = errors.New("out of sequence")

// A Conn that is put into messages which cannot be sent, while it sends files: no call
// leaves a descriptor in the socket whose message is not published. They would fill it
// until nobody could send any more.
func TestConnLentWhileSending(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	null := mustOpen(t, os.DevNull)
	const files = 200
	var sent atomic.Int32
	failed := make(chan error, 1)
	go func() {
		var err error
		for err == nil && sent.Load() < files {
			if err = here(ctx, func() error { return b.SendFile(ctx, null) }); err == nil {
				sent.Add(1)
			}
		}
		failed <- err
	}()
	for n := int32(0); n < files; {
		for range 50 {
			require.ErrorIs(t, a.Send(ctx, []any{b, func() {}}), proc.ErrArgument)
		}
		for last := n; n == last && ctx.Err() == nil; n = sent.Load() {
			runtime.Gosched() // the sender has its turn
		}
	}
	require.NoError(t, <-failed)
	require.Equal(t, files, proc.Datagrams(a))
}

// A Conn that is put again and again into messages which cannot be sent, while goroutines
// send and receive through it, loses nothing and delivers nothing twice.
func TestConnLentWhileInUse(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, &proc.PipeOptions{Capacity: 1 << 16})
	null := mustOpen(t, os.DevNull)
	const messages = 2000
	failed := make(chan error, 5)
	done, stop := context.WithCancel(ctx)
	var lending, using sync.WaitGroup
	var progress atomic.Int32
	lending.Go(func() {
		for i := 0; done.Err() == nil; i++ {
			for last := progress.Load(); i%50 == 0 && progress.Load() == last && done.Err() == nil; {
				runtime.Gosched() // or it is never here for long enough
			}
			if err := a.Send(ctx, []any{b, func() {}}); !errors.Is(err, proc.ErrArgument) {
				failed <- fmt.Errorf("lend: %w", err)
				return
			}
			if _, err := proc.Wait(over(), b); err != nil && !errors.Is(err, context.Canceled) {
				failed <- err
				return
			}
		}
	})
	use := func(fn func(i int) error) {
		using.Go(func() {
			for i := range messages {
				if err := fn(i); err != nil {
					failed <- fmt.Errorf("message %d: %w", i, err)
					return
				}
				progress.Add(1)
			}
		})
	}
	use(func(i int) error { return a.Send(ctx, i) })
	use(func(i int) error {
		got := -1
		err := here(ctx, func() error { return b.Recv(ctx, &got) })
		if err == nil && got != i {
			err = errSequence
		}
		return err
	})
	use(func(i int) error {
		return here(ctx, func() error {
			if i%5 == 0 {
				return b.SendFile(ctx, null)
			}
			return b.Send(ctx, i)
		})
	})
	use(func(i int) error {
		if i%5 == 0 {
			f, err := a.RecvFile(ctx)
			return errors.Join(err, f.Close())
		}
		got := -1
		err := a.Recv(ctx, &got)
		if err == nil && got != i {
			err = errSequence
		}
		return err
	})
	using.Wait()
	stop()
	lending.Wait()
	close(failed)
	require.NoError(t, <-failed)
	require.False(t, b.Closed())
}

// A Conn that is closed, or given away, while goroutines use it in every way: each of
// them gets an error soon, which is ErrClosed.
func TestConnClosedWhileInUse(t *testing.T) {
	ctx := watchdog(t)
	null := mustOpen(t, os.DevNull)
	for round := range 40 {
		a, b := pipe(t, &proc.PipeOptions{Capacity: 1 << 16})
		x, y := pipe(t, nil)
		uses := []func() error{
			func() error { return b.Send(ctx, round) },
			func() error { return b.SendBytes(ctx, make([]byte, 100<<10)) },
			func() error { return b.SendFile(ctx, null) },
			func() error { return b.Recv(ctx, new(int)) },
			func() error { _, err := b.RecvInto(ctx, make([]byte, 10)); return err },
			func() error { _, err := b.Poll(ctx); return err },
			func() error {
				if _, err := proc.Wait(ctx, b); err != nil || !b.Closed() {
					return err
				}
				return proc.ErrClosed
			},
			func() error {
				f, err := b.PollFile()
				if err == nil {
					err = f.Close()
				}
				return err
			},
		}
		ended := make(chan error)
		for _, use := range uses {
			go func() {
				var err error
				for err == nil {
					err = use()
				}
				ended <- err
			}()
		}
		for i := range round % 7 {
			require.NoError(t, a.Send(ctx, i))
		}
		switch round % 3 {
		case 0:
			require.NoError(t, b.Close())
		case 1:
			require.NoError(t, x.Send(ctx, b))
		case 2: // both at once: whoever is first
			failed := make(chan error)
			go func() { failed <- b.Close() }()
			if err := x.Send(ctx, b); !errors.Is(err, proc.ErrClosed) {
				require.NoError(t, err)
			}
			require.NoError(t, <-failed)
		}
		for range uses {
			require.ErrorIs(t, <-ended, proc.ErrClosed)
		}
		for _, c := range []*proc.Conn{a, x, y} { // with what is in them
			require.NoError(t, c.Close())
		}
	}
}
