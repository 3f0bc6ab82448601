package proc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/proc"
)

type cargo struct {
	Text   string
	Bytes  []byte
	Floats []float64
	Map    map[string][]int
	Any    any
	Next   *cargo
	Out    *file
}

var echo = proc.Register("echo", func(_ context.Context, c cargo) error {
	out := c.Out
	c.Out = nil
	return json.NewEncoder(out).Encode(c)
})

// P03, P08: the argument arrives unchanged.
func TestArgumentP03P08(t *testing.T) {
	out := newOutput(t)
	big := slices.Repeat([]byte("0123456789abcdef"), 1<<16) // more than any socket buffer
	in := cargo{
		Text:   "text with \x00 and é",
		Bytes:  big,
		Floats: []float64{1.5, -2},
		Map:    map[string][]int{"a": {1, 2, 3}},
		Any:    "anything",
		Next:   &cargo{Text: "inner"},
		Out:    out.W,
	}
	p := start(t, echo, in, nil)
	var got cargo
	out.json(&got)
	in.Out = nil
	require.Equal(t, in, got)
	require.NoError(t, p.Wait(watchdog(t)))
}

var scribble = proc.Register("scribble", func(_ context.Context, a scribbleArg) error {
	fmt.Fprintln(a.Out, slices.Sorted(maps.Keys(a.Map)))
	a.Map["child"] = 1
	return nil
})

type scribbleArg struct {
	Map map[string]int
	Out *file
}

// P46: nothing that one child does to its argument is seen by anybody else.
func TestArgumentsAreCopiesP46(t *testing.T) {
	out := newOutput(t)
	arg := scribbleArg{Map: map[string]int{"parent": 1}, Out: out.W}
	for range 2 {
		p := start(t, scribble, arg, nil)
		require.NoError(t, p.Wait(watchdog(t)))
	}
	require.Equal(t, map[string]int{"parent": 1}, arg.Map)
	require.Equal(t, "[parent]\n[parent]\n", out.all())
}

// P27: a type with its own Run and its own pipe is a service.
type upperCaser struct{ In, Out *file }

func (u upperCaser) Run(context.Context) error {
	b, err := io.ReadAll(u.In)
	if err != nil {
		return err
	}
	_, err = io.WriteString(u.Out, strings.ToUpper(string(b)))
	return err
}

var upperCase = proc.RegisterRunner[upperCaser]("upperCase")

func TestRunnerP27(t *testing.T) {
	out := newOutput(t)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	p := start(t, upperCase, upperCaser{&file{File: r}, out.W}, nil)
	r.Close()
	io.WriteString(w, "service")
	w.Close()
	require.Equal(t, "SERVICE", out.all())
	require.NoError(t, p.Wait(watchdog(t)))
}

var countFiles = proc.Register("countFiles", func(_ context.Context, a countArg) error {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	highClosed := errors.Is(unix.Access(fmt.Sprint("/proc/self/fd/", a.High), unix.F_OK), unix.ENOENT)
	fmt.Fprintln(a.Out, len(open), highClosed, os.Getenv(proc.ControlEnv) == "")
	a.Out.Close()
	io.Copy(io.Discard, a.In)
	return nil
})

type countArg struct {
	High    int
	In, Out *file
}

// P22: each child has the same number of descriptors, though its siblings are
// running. P36: what else is open in the parent is not open in the child.
func TestDescriptorsP22P36(t *testing.T) {
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	high, err := unix.FcntlInt(null.Fd(), unix.F_DUPFD_CLOEXEC, 900)
	require.NoError(t, err)
	defer unix.Close(high)

	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	var seen []string
	for i := range 6 {
		out := newOutput(t)
		arg := countArg{high, &file{File: r}, out.W}
		start(t, countFiles, arg, &proc.Options{Daemon: i%2 == 0})
		seen = append(seen, out.lines()())
	}
	require.Contains(t, seen[0], "true true")
	require.Equal(t, slices.Repeat(seen[:1], len(seen)), seen)
}

// The same object twice in an argument is one descriptor in the child, of which
// each reference has its own duplicate.
func TestSameObjectTwice(t *testing.T) {
	out := newOutput(t)
	p := start(t, hold, holdArg{In: &file{File: mustOpen(t, os.DevNull)}, Out: out.W}, nil)
	require.NoError(t, p.Wait(watchdog(t)))
	require.Equal(t, "up\n", out.all())

	out = newOutput(t)
	p = start(t, both, []*file{out.W, out.W}, nil)
	require.NoError(t, p.Wait(watchdog(t)))
	require.Equal(t, "first second", out.all())
}

var both = proc.Register("both", func(_ context.Context, fs []*file) error {
	io.WriteString(fs[0], "first ")
	fs[0].Close()
	_, err := io.WriteString(fs[1], "second")
	return err
})

func mustOpen(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// Starting a child must not make what it shares with us blocking, except for
// the standard three: whoever gets those expects it.
func TestBlockingMode(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	out := newOutput(t)
	p := start(t, hold, holdArg{In: &file{File: r}}, &proc.Options{Stdout: out.W.File})
	nonblocking := func(f *os.File) bool {
		raw, err := f.SyscallConn()
		require.NoError(t, err)
		var flags int
		require.NoError(t, raw.Control(func(fd uintptr) { flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0) }))
		require.NoError(t, err)
		return flags&unix.O_NONBLOCK != 0
	}
	require.True(t, nonblocking(r))
	require.False(t, nonblocking(out.W.File))
	w.Close()
	require.NoError(t, p.Wait(watchdog(t)))
}

var relay *proc.Func[relayArg]

func init() { relay = proc.Register("relay", runRelay) }

func runRelay(ctx context.Context, a relayArg) error {
	if a.Depth == 0 {
		_, err := io.WriteString(a.Out, "from "+proc.Current().Name())
		return err
	}
	a.Depth--
	p, err := relay.Start(ctx, a, nil)
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

type relayArg struct {
	Depth int
	Out   *file
}

// P43: a handle that a child received can be handed on.
func TestHandOnP43(t *testing.T) {
	out := newOutput(t)
	p := start(t, relay, relayArg{2, out.W}, nil)
	require.Regexp(t, `^from relay-\d+:1:1$`, out.all())
	require.NoError(t, p.Wait(watchdog(t)))
}

// What becomes of a handle is told to its owner, in order and once.
func TestHandleHooks(t *testing.T) {
	var log []string
	f := &file{File: mustOpen(t, os.DevNull), hooks: handle.Options{
		Sent:   func(pid int) { log = append(log, fmt.Sprint("sent ", pid)) },
		Failed: func() { log = append(log, "failed") },
		Exited: func() { log = append(log, "exited") },
	}}
	p := start(t, hold, holdArg{In: f}, nil)
	<-p.Done()
	require.Equal(t, []string{fmt.Sprint("sent ", p.PID()), "exited"}, log)

	log = nil
	_, err := hold.Start(watchdog(t), holdArg{In: f}, &proc.Options{Dir: "/nonexistent"})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, []string{"failed"}, log)

	log = nil
	_, err = bad.Start(watchdog(t), badArg{F: f, C: make(chan int)}, nil)
	require.ErrorIs(t, err, proc.ErrArgument)
	require.Equal(t, []string{"failed"}, log)
}

var bad = proc.Register("bad", func(context.Context, badArg) error { return nil })

type badArg struct {
	F *file
	C any
}

type picky string

func (p picky) MarshalBinary() ([]byte, error) { return []byte(p), nil }

func (p *picky) UnmarshalBinary(b []byte) error {
	if len(b) > 3 {
		return errors.New(strings.Repeat("too long ", 1000))
	}
	*p = picky(b)
	return nil
}

var refuse = proc.Register("refuse", func(context.Context, picky) error { return nil })

// late is registered when the first test asks, so not in a child.
var late = sync.OnceValue(func() *proc.Func[int] {
	return proc.Register("late", func(context.Context, int) error { return nil })
})

func TestBadStarts(t *testing.T) {
	t.Run("argument that cannot be encoded", func(t *testing.T) {
		_, err := bad.Start(watchdog(t), badArg{C: func() {}}, nil)
		require.ErrorIs(t, err, proc.ErrArgument)
		require.ErrorContains(t, err, "start bad: argument cannot travel: ")
	})
	t.Run("closed object", func(t *testing.T) {
		f := mustOpen(t, os.DevNull)
		f.Close()
		_, err := bad.Start(watchdog(t), badArg{F: &file{File: f}}, nil)
		require.ErrorIs(t, err, proc.ErrArgument)
		require.ErrorIs(t, err, os.ErrClosed)
	})
	t.Run("argument that the child refuses", func(t *testing.T) {
		_, err := refuse.Start(watchdog(t), "four", nil)
		require.ErrorIs(t, err, proc.ErrArgument)
		require.ErrorContains(t, err, "in the child: too long too long")
		require.NotErrorIs(t, err, proc.ErrNoMain)
	})
	t.Run("cancelled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := refuse.Start(ctx, "ok", nil)
		require.Equal(t, context.Canceled, errors.Unwrap(err))
		_, err = refuse.Start(watchdog(t), "ok", &proc.Options{Cancel: ctx})
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("registered in the parent only", func(t *testing.T) {
		_, err := late().Start(watchdog(t), 1, nil)
		require.ErrorIs(t, err, proc.ErrNotRegistered)
	})
	t.Run("names", func(t *testing.T) {
		require.PanicsWithValue(t, `proc: register "refuse": the name is taken`, func() {
			proc.Register("refuse", func(context.Context, int) error { return nil })
		})
		require.Panics(t, func() { proc.Register("", func(context.Context, int) error { return nil }) })
		require.Equal(t, "refuse", refuse.Name())
	})
	for _, p := range proc.Children() {
		<-p.Done() // those that were refused are gone, or going
	}
}

func TestOptions(t *testing.T) {
	out := newOutput(t)
	dir := t.TempDir()
	p := start(t, where, struct{}{}, &proc.Options{
		Name:   "somebody",
		Stdout: out.W.File,
		Stdin:  mustOpen(t, "/proc/self/comm"),
		Env:    []string{"COLOUR=green"},
		Dir:    dir,
	})
	require.Equal(t, "somebody", p.Name())
	require.NoError(t, p.Wait(watchdog(t)))
	comm, err := os.ReadFile("/proc/self/comm")
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("somebody %s green %q %q\n", dir, "", comm), out.all())
}

// where also sees that a child bears the program's name for ps.
var where = proc.Register("where", func(context.Context, struct{}) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	in, err := io.ReadAll(os.Stdin)
	fmt.Printf("%s %s %s %q %q\n", proc.Current().Name(), dir, os.Getenv("COLOUR"), os.Getenv("HOME"), in)
	return err
})

// P24: standard files that are closed, missing or broken on either side break
// neither the start nor the exit code.
func TestStandardFilesP24(t *testing.T) {
	closed := mustOpen(t, os.DevNull)
	closed.Close()
	r, broken, err := os.Pipe()
	require.NoError(t, err)
	r.Close()
	defer broken.Close()
	stdout, stderr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	for name, f := range map[string]*os.File{"closed": closed, "nil": nil, "broken": broken} {
		t.Run(name, func(t *testing.T) {
			os.Stdout, os.Stderr = f, f
			require.Zero(t, code(t, start(t, refuse, "ok", nil)))
			require.Equal(t, 1, code(t, start(t, fail, "an error for nobody", nil)))
		})
	}
}

// P32: a child has no standard input to fight about, and may itself start
// children.
func TestStdinP32(t *testing.T) {
	out := newOutput(t)
	p := start(t, drainStdin, out.W, nil)
	require.Equal(t, "0 bytes\n", out.all())
	require.NoError(t, p.Wait(watchdog(t)))
}

var drainStdin = proc.Register("drainStdin", func(ctx context.Context, out *file) error {
	n, err := io.Copy(io.Discard, os.Stdin)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, n, "bytes")
	p, err := refuse.Start(ctx, "ok", nil)
	if err != nil {
		return err
	}
	return p.Wait(ctx)
})

var tree *proc.Func[treeArg]

func init() { tree = proc.Register("tree", runTree) }

type treeArg struct {
	Out *file
	ID  []int
}

func runTree(ctx context.Context, a treeArg) error {
	fmt.Fprintln(a.Out, a.ID)
	for i := range 2 {
		if len(a.ID) == 2 {
			break
		}
		p, err := tree.Start(ctx, treeArg{a.Out, append(slices.Clip(a.ID), i)}, nil)
		if err != nil {
			return err
		}
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// P16: children start children, and report through one pipe, depth first.
func TestRecursionP16(t *testing.T) {
	out := newOutput(t)
	p := start(t, tree, treeArg{Out: out.W}, nil)
	require.Equal(t, "[]\n[0]\n[0 0]\n[0 1]\n[1]\n[1 0]\n[1 1]\n", out.all())
	require.NoError(t, p.Wait(watchdog(t)))
}
