package proc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
)

var fail = proc.Register("fail", func(_ context.Context, text string) error { return errors.New(text) })

var exit = proc.Register("exit", func(_ context.Context, code int) error {
	proc.AtExit(0, func() { fmt.Println("exit function") })
	os.Exit(code)
	return nil
})

var exitInOrder = proc.Register("exitInOrder", func(_ context.Context, code int) error {
	proc.AtExit(0, func() { fmt.Println("exit function") })
	proc.Exit(code)
	return nil
})

var doPanic = proc.Register("doPanic", func(_ context.Context, text string) error { panic(text) })

var goexit = proc.Register("goexit", func(ctx context.Context, _ struct{}) error {
	go func() { select {} }() // Go does not call it a deadlock then
	proc.Parent().Done()
	runtime.Goexit()
	return nil
})

// P28, P29: how a child ends is seen on standard error and in its code.
func TestExitCodes(t *testing.T) {
	for name, c := range map[string]struct {
		start func(*testing.T, *proc.Options) *proc.Process
		code  int
		out   string
		cause string
	}{
		"P29 nil":           {starter(refuse, "ok"), 0, `^$`, ""},
		"P29 error":         {starter(fail, "out of luck"), 1, `^process fail-\d+: out of luck\n$`, "out of luck"},
		"P29 os.Exit":       {starter(exit, 8), 8, `^$`, ""},
		"P29 os.Exit 0":     {starter(exit, 0), 0, `^$`, ""},
		"P29 os.Exit large": {starter(exit, 300), 44, `^$`, ""},
		"P29 Exit":          {starter(exitInOrder, 3), 3, `^exit function\n$`, ""},
		"P28 panic":         {starter(doPanic, "at the disco"), 2, `(?s)panic: at the disco\n\ngoroutine.*exit_linux_test.go:`, "panic: at the disco"},
		"Goexit":            {starter(goexit, struct{}{}), 1, `^process goexit-\d+: function called runtime.Goexit\n$`, "function called runtime.Goexit"},
	} {
		t.Run(name, func(t *testing.T) {
			out := newOutput(t)
			p := c.start(t, &proc.Options{Stdout: out.W.File, Stderr: out.W.File})
			require.Regexp(t, c.out, out.all())
			require.Equal(t, c.code, code(t, p))
			err := p.Wait(watchdog(t))
			if c.code == 0 {
				require.NoError(t, err)
				return
			}
			var exit *proc.ExitError
			require.ErrorAs(t, err, &exit)
			text := fmt.Sprintf("process %s (pid %d) exited with code %d", p.Name(), p.PID(), c.code)
			if c.cause != "" {
				require.EqualError(t, exit.Cause, c.cause)
				text += ": " + c.cause
			}
			require.EqualError(t, err, text)
			require.Equal(t, &proc.ExitError{Name: p.Name(), PID: p.PID(), Code: c.code, Cause: exit.Cause}, err)
		})
	}
}

func starter[A any](f *proc.Func[A], arg A) func(*testing.T, *proc.Options) *proc.Process {
	return func(t *testing.T, o *proc.Options) *proc.Process { return start(t, f, arg, o) }
}

var finalize = proc.Register("finalize", func(ctx context.Context, out *file) error {
	say := func(s string) func() { return func() { fmt.Fprint(out, s, " ") } }
	a := proc.AtExit(0, say("a"))
	a()
	a()
	proc.AtExit(1, say("b"))
	proc.AtExit(0, say("d01"))
	proc.AtExit(0, say("d02"))
	proc.AtExit(0, say("d03"))
	proc.AtExit(1, say("d10"))
	proc.AtExit(-10, say("e"))
	proc.AtExit(2, func() { proc.AtExit(5, say("late")) })
	proc.AtExit(-1, func() { fmt.Fprint(out, ctx.Err(), " ") })
	return nil
})

// P31, P48: exit functions run in a child, by priority and latest first, each
// once.
func TestAtExitP31P48(t *testing.T) {
	out := newOutput(t)
	p := start(t, finalize, out.W, nil)
	require.Equal(t, "a late d10 b d03 d02 d01 context canceled e ", out.all())
	require.Zero(t, code(t, p))
}

var finalizeMany = proc.Register("finalizeMany", func(_ context.Context, out *file) error {
	var ran atomic.Int64
	proc.AtExit(-1, func() { fmt.Fprint(out, ran.Load()) })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				run := proc.AtExit(i%3, func() { ran.Add(1) })
				if i%2 == 0 {
					run()
				}
			}
		})
	}
	proc.AtExit(10, wg.Wait) // the others are still at it when the functions begin to run
	return nil
})

// P49: registering, running and exiting at once.
func TestAtExitConcurrentP49(t *testing.T) {
	out := newOutput(t)
	p := start(t, finalizeMany, out.W, nil)
	require.Equal(t, "800", out.all())
	require.Zero(t, code(t, p))
}

var lastWords = proc.Register("lastWords", func(_ context.Context, a holdArg) error {
	io.WriteString(a.Out, "first words\n")
	io.Copy(io.Discard, a.In)
	io.WriteString(a.Out, "last words\n")
	return nil
})

var leaveChildren = proc.Register("leaveChildren", func(ctx context.Context, a leaveArg) error {
	daemon, err := hold.Start(ctx, holdArg{In: a.Never}, &proc.Options{Daemon: true})
	if err != nil {
		return err
	}
	if _, err = lastWords.Start(ctx, holdArg{a.Until, a.Out}, nil); err != nil {
		return err
	}
	proc.AtExit(-1, func() {
		<-daemon.Done()
		code, _ := daemon.ExitCode()
		fmt.Fprintf(a.Out, "daemon %d, %d children\n", code, len(proc.Children()))
	})
	return nil
})

type leaveArg struct{ Never, Until, Out *file }

// A child that ends waits for its own children, but ends its daemons.
func TestExitWaitsForChildren(t *testing.T) {
	never, w1, err := os.Pipe()
	require.NoError(t, err)
	defer w1.Close()
	until, w2, err := os.Pipe()
	require.NoError(t, err)
	out := newOutput(t)
	p := start(t, leaveChildren, leaveArg{&file{File: never}, &file{File: until}, out.W}, nil)
	never.Close()
	until.Close()
	line := out.lines()
	require.Equal(t, "first words", line())
	require.True(t, p.Alive())
	w2.Close()
	require.Equal(t, "last words", line())
	require.Equal(t, "daemon -15, 0 children", line())
	require.Zero(t, code(t, p))
}
