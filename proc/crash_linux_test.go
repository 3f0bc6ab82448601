package proc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
)

// crash ends in the way that it is told.
var crash = proc.Register("crash", func(ctx context.Context, way string) error {
	switch way {
	case "goroutine":
		go func() { panic(errors.New("elsewhere")) }()
		select {}
	case "nil":
		var p *int
		*p = 1
	case "fatal":
		m := map[int]int{}
		go func() {
			for {
				m[1]++
			}
		}()
		for {
			m[1]++
		}
	case "lines":
		panic("one\ntwo")
	case "again":
		defer func() { panic(fmt.Sprint("second after ", recover())) }()
		panic("first")
	case "recovered":
		defer func() { recover() }()
		panic("nobody sees it")
	case "after error":
		proc.AtExit(0, func() { panic("in an exit function") })
		return errors.New("returned")
	case "many":
		debug.SetTraceback("all")
		for range 2000 {
			go func() { select {} }()
		}
		panic("with a long trace")
	case "long error":
		return errors.New(strings.Repeat("long ", 1<<16))
	case "killed after error":
		proc.AtExit(0, func() { syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} })
		return errors.New("returned")
	}
	return nil
})

// P28: a panic in any goroutine, and what Go itself gives up at, is the error's
// cause with its trace.
func TestPanicCauseP28(t *testing.T) {
	for way, want := range map[string]struct {
		text  string
		stack string
	}{
		"goroutine":   {"panic: elsewhere", `^goroutine \d+ .*\[running`},
		"nil":         {"panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV", `crash_linux_test.go:\d+`},
		"fatal":       {"fatal error", `^goroutine \d+ .*\[running`},
		"lines":       {"panic: one\n\ttwo", `crash_linux_test.go:\d+`},
		"again":       {"panic: first [recovered]\n\tpanic: second after first", `crash_linux_test.go:\d+`},
		"after error": {"panic: in an exit function", `crash_linux_test.go:\d+`},
		"many":        {"panic: with a long trace", `crash_linux_test.go:\d+`},
	} {
		t.Run(way, func(t *testing.T) {
			null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
			require.NoError(t, err)
			defer null.Close()
			p := start(t, crash, way, &proc.Options{Stderr: null})
			require.Equal(t, 2, code(t, p))
			var cause *proc.PanicError
			require.ErrorAs(t, p.Wait(watchdog(t)), &cause)
			require.Contains(t, cause.Error(), want.text)
			require.Regexp(t, want.stack, cause.Stack)
			require.ErrorContains(t, p.Wait(watchdog(t)), "exited with code 2: "+want.text)
		})
	}
	require.NoError(t, start(t, crash, "recovered", nil).Wait(watchdog(t)))
}

// P29: the error that a function returned is the cause, whatever happens then.
func TestErrorCauseP29(t *testing.T) {
	out := newOutput(t)
	p := start(t, crash, "long error", &proc.Options{Stderr: out.W.File})
	require.Equal(t, "process "+p.Name()+": "+strings.Repeat("long ", 1<<16)+"\n", out.all())
	var cause *proc.ChildError
	require.ErrorAs(t, p.Wait(watchdog(t)), &cause)
	require.Equal(t, strings.Repeat("long ", 1<<16)[:16<<10], cause.Text)

	p = start(t, crash, "killed after error", &proc.Options{Stderr: devNull})
	err := p.Wait(watchdog(t))
	require.ErrorAs(t, err, &cause)
	require.Equal(t, "returned", cause.Text)
	require.ErrorContains(t, err, "was killed by signal 9 (killed): returned")
}

// fragile does not survive its own decoding.
type fragile struct{ Broken bool }

func (f *fragile) UnmarshalBinary([]byte) error  { panic("broken on arrival") }
func (f fragile) MarshalBinary() ([]byte, error) { return []byte("x"), nil }

var receiveFragile = proc.Register("receiveFragile", func(context.Context, fragile) error { return nil })

// A child that panics while it decodes its argument has come to Main.
func TestPanicOnArrival(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer null.Close()
	_, err = receiveFragile.Start(watchdog(t), fragile{}, &proc.Options{Stderr: null})
	require.NotErrorIs(t, err, proc.ErrNoMain)
	var cause *proc.PanicError
	require.ErrorAs(t, err, &cause)
	require.Equal(t, "broken on arrival", cause.Value)
	for _, p := range proc.Children() {
		<-p.Done()
	}
}

var doPanicWhenTold = proc.Register("doPanicWhenTold", func(_ context.Context, a holdArg) error {
	io.Copy(io.Discard, a.In)
	debug.SetTraceback("all")
	for range 500 {
		go func() { select {} }()
	}
	panic("at last")
})

// A child that is killed while it writes its trace leaves what there is. It
// stands still in the middle because nobody reads its standard error.
func TestKilledInTrace(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	errR, errW, err := os.Pipe()
	require.NoError(t, err)
	defer errR.Close()
	p := start(t, doPanicWhenTold, holdArg{In: &file{File: r}}, &proc.Options{Stderr: errW})
	errW.Close()
	r.Close()
	w.Close()
	_, err = io.ReadFull(errR, make([]byte, 512)) // it has begun
	require.NoError(t, err)
	require.True(t, p.Alive())
	require.NoError(t, p.Kill())
	require.Equal(t, -9, code(t, p))
	var cause *proc.PanicError
	require.ErrorAs(t, p.Wait(watchdog(t)), &cause)
	require.Equal(t, "at last", cause.Value)
}
