package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Handler serves one call: it gets the request and returns the reply. Neither ctx nor
// request may be used after it has returned. The reply is copied then; it may be a
// part of request.
//
// ctx ends when the caller has given up or died, and when Serve's context ends. Of an
// error the caller gets the text, as a *CallError. A panic ends the call alike; the
// server goes on.
type Handler = func(ctx context.Context, request []byte) ([]byte, error)

// ServeOptions of Serve. nil and zero fields mean the defaults.
type ServeOptions struct {
	// MaxMessage is the largest request and the largest reply, in bytes; default
	// 1 MiB. Memory for it is reserved, not used: a client's 16 slots keep 8 KiB
	// each from their first use on, and what is larger for as long as the call takes.
	MaxMessage int
	// Clients is how many clients there may be at a time, default 64, at most 4096.
	Clients int
	// Workers is how many calls this Serve serves at a time; default is GOMAXPROCS, at
	// most 16, which is also the maximum.
	Workers int
	// Owner says when the name goes, if this Serve makes the object. The default is that
	// it stays; with OwnerCreator it goes when this Serve returns, with OwnerUsers when
	// the last server or client has gone.
	Owner Owner
	// ErrorLog gets the panics of handlers, with their stacks. nil is slog.Default.
	ErrorLog *slog.Logger
	// Gone is told when a client that has called this server has closed, or has died and
	// can do nothing any more, and no handler runs for a call of it: at once, or for more
	// than 120 clients within some 50 ms. It comes once for a client, but again if a
	// call of the dead one was found even after that. It is called from a goroutine that it
	// must not block, and not after Serve has returned.
	Gone func(ClientID)
}

const maxCallWorkers = 16

// Serve serves calls to the name until ctx ends, and then returns ctx's error, which is
// never nil; before it returns, the handlers that run have been told by their contexts,
// and their callers have got the answers.
//
// It creates the object, or opens the one that is there; so several processes may
// serve one name, and take the calls as they come, up to 32 at a time. The name stays,
// with the clients that have it open, until Unlink, unless ServeOptions.Owner says
// otherwise: the next server serves them. Where
// the object is there, MaxMessage and Clients are its own, and others that are
// given are an ErrSize. Processes of the same user can open it.
//
// When a server dies, the calls that it was busy with fail with ErrPeerDied, and those
// that nobody had taken go to the others. When a client dies, its handlers' contexts
// end within some 50 ms.
//
// Other errors: ErrName, ErrSize, ErrOption, ErrNoSpace, ErrForeign, ErrVersion,
// ErrKind, ErrTruncated, ErrForeignNamespace, ErrCorrupt, ErrNoKeeper,
// ErrTooManyProcesses.
func Serve(ctx context.Context, name string, h Handler, o *ServeOptions) error {
	if o == nil {
		o = new(ServeOptions)
	}
	if h == nil || o.Workers < 0 || o.Workers > maxCallWorkers {
		return fmt.Errorf("serve %q: %w: %d workers, or no handler", name, ErrOption, o.Workers)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := shmfile.CheckName(name)
	var f *callFile
	if err == nil {
		f, err = createCalls(name, o.MaxMessage, o.Clients, o.Owner)
	}
	if err != nil {
		return fmt.Errorf("serve %q: %w", name, err)
	}
	return f.serve(ctx, respond(h), o)
}

// respond makes a Responder of a Handler.
func respond(h Handler) Responder {
	return func(c *Call) ([]byte, error) { return h(c.Context(), c.Request()) }
}

// serveFile serves until ctx ends, and returns nil then.
func serveFile(ctx context.Context, f *callFile, h Responder, o *ServeOptions) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	v := newCallServer(f.callBoard, h)
	v.eager, v.report = true, func(value any) { reportPanic(o.ErrorLog, f.name, value) }
	if o.Gone != nil {
		v.tellOfGone(o.Gone)
	}
	workers := callWorkers(o)
	if err := guard(func() error { return v.enter(inner, workers) }); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	failed := make(chan error, workers)
	var wg sync.WaitGroup
	for _, w := range v.workers {
		wg.Add(1)
		go w.main(inner, &wg, func(err error) { failed <- err; cancel() })
	}
	err := guard(func() error { return v.attendUntil(inner) })
	v.stopping.Store(true)
	cancel()
	v.await(&wg)
	v.endLater()
	left := guard(func() error { v.leave(); return nil })
	close(failed)
	for e := range failed {
		err = errors.Join(err, e)
	}
	if err == nil && ctx.Err() == nil {
		err = left
	}
	return err
}

// main is a worker's goroutine. If a handler ends that, another one goes on.
func (w *callWorker) main(ctx context.Context, wg *sync.WaitGroup, fail func(error)) {
	returned := false
	defer func() {
		if returned {
			wg.Done()
			return
		}
		_ = guard(func() error { w.exit(); return nil }) // work meets the same fault
		go w.main(ctx, wg, fail)
	}()
	err := guard(func() error { return w.work(ctx) })
	if err != nil {
		fail(err)
	}
	returned = true
}

// attendUntil attends until ctx ends.
func (v *callServer) attendUntil(ctx context.Context) error {
	words := make([]futex.Word, 0, maxWatched+1)
	for pause := firstPause; ; {
		v.seat.attend.Store(1)
		dying := v.attend(ctx)
		if ctx.Err() != nil {
			return nil
		}
		words = append(words[:0], futex.Word{Addr: &v.seat.attend, Val: 1})
		var err error
		if dying {
			err = sleepFor(ctx, words, pause)
			pause = min(2*pause, lookEvery)
		} else {
			err = sleepFor(ctx, v.watch(words), 0)
			pause = firstPause
		}
		switch {
		case errors.Is(err, futex.ErrFault):
			return fmt.Errorf("%w: %w", ErrTruncated, err)
		case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
			<-ctx.Done() // a sleep may end at the deadline, just before ctx does
			return nil
		case err != nil:
			return err
		}
	}
}

// firstPause is when the attendant looks again at a client that is dying: nothing tells of
// its end.
const firstPause = time.Millisecond

// sleepFor sleeps while the words have their values, until the look, or for so long if that is
// not 0.
func sleepFor(ctx context.Context, words []futex.Word, most time.Duration) error {
	always := func() bool { return true }
	if most == 0 {
		return futex.SleepAny(ctx, words, always)
	}
	inner, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	err := futex.SleepAny(inner, words, always)
	if ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

// await waits until the workers have ended, and ends their handlers' contexts: also of
// calls that were taken meanwhile.
func (v *callServer) await(wg *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		v.cancelAll()
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}

func reportPanic(l *slog.Logger, name string, value any) {
	if l == nil {
		l = slog.Default()
	}
	l.Error("ringbuf: a handler panicked", "name", name, "panic", value, "stack", string(debug.Stack()))
}
