package proc_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
)

func TestMain(m *testing.M) {
	unguarded() // see guard_linux_test.go
	proc.Main()
	// The race detector makes every process sleep for a second when it exits.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	testproc.Main(m)
}

// watchdog is a context for what must end by itself.
func watchdog(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// over is a context that is done, for asking without waiting.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// file is a shared object for tests: a descriptor that travels.
type file struct {
	*os.File
	hooks handle.Options
}

func (f *file) MarshalBinary() ([]byte, error) {
	return handle.Put(handle.Handle{Kind: "file", File: f.File}, f.hooks)
}

func (f *file) UnmarshalBinary(ref []byte) error {
	h, err := handle.Get(ref)
	f.File = h.File
	return err
}

// output is where a child reports. The parent calls reader once all children
// have been started.
type output struct {
	*testing.T
	r *os.File
	W *file
}

func newOutput(t *testing.T) *output {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return &output{t, r, &file{File: w}}
}

// all returns what the children have written when the last of them has closed
// its end, or ended.
func (o *output) all() string {
	o.Helper()
	o.W.Close()
	o.r.SetReadDeadline(time.Now().Add(time.Minute))
	b, err := io.ReadAll(o.r)
	require.NoError(o, err)
	return string(b)
}

// lines reads line by line while children run.
func (o *output) lines() func() string {
	o.W.Close()
	o.r.SetReadDeadline(time.Now().Add(time.Minute))
	b := bufio.NewReader(o.r)
	return func() string {
		o.Helper()
		line, err := b.ReadString('\n')
		require.NoError(o, err)
		return line[:len(line)-1]
	}
}

func (o *output) json(v any) {
	o.Helper()
	require.NoError(o, json.Unmarshal([]byte(o.all()), v))
}

func start[A any](t *testing.T, f *proc.Func[A], arg A, o *proc.Options) *proc.Process {
	t.Helper()
	p, err := f.Start(watchdog(t), arg, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Kill()
		<-p.Done()
	})
	return p
}

func code(t *testing.T, p *proc.Process) int {
	t.Helper()
	select {
	case <-p.Done():
	case <-watchdog(t).Done():
		t.Fatalf("%v does not end", p)
	}
	c, ok := p.ExitCode()
	require.True(t, ok)
	return c
}

// hold is a child that stays until its input ends, and says "up" first.
var hold = proc.Register("hold", func(ctx context.Context, a holdArg) error {
	if a.Out != nil {
		io.WriteString(a.Out, "up\n")
		a.Out.Close()
	}
	io.Copy(io.Discard, a.In)
	return nil
})

type holdArg struct{ In, Out *file }

// held starts hold; the child goes on until release is called.
func held(t *testing.T, o *proc.Options) (p *proc.Process, release func()) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	p = start(t, hold, holdArg{In: &file{File: r}}, o)
	r.Close()
	t.Cleanup(func() { w.Close() })
	return p, func() { w.Close() }
}
