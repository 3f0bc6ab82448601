package proc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/shm"
)

// command starts c with its output to the returned function.
func command(t *testing.T, c *proc.Cmd) (*proc.Process, *output) {
	t.Helper()
	out := newOutput(t)
	if c.Stdout == nil {
		c.Stdout = out.W.File
	}
	p, err := c.Start(watchdog(t))
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Kill()
		<-p.Done()
	})
	return p, out
}

func shell(t *testing.T, script string, args ...string) *proc.Cmd {
	t.Helper()
	return proc.Command(testproc.NeedTool(t, "sh"), append([]string{"-c", script, "sh"}, args...)...)
}

// A program is a child like others: its options, its end, and how it is found.
func TestCommand(t *testing.T) {
	dir := t.TempDir()
	c := shell(t, `echo "$COLOUR $PWD $1"; cat; exit 3`, "argument")
	c.Env = []string{"COLOUR=green", "PATH=" + os.Getenv("PATH")}
	c.Dir = dir
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	c.Stdin = r
	p, out := command(t, c)
	r.Close()
	require.Regexp(t, `^sh-\d+$`, p.Name())
	require.Equal(t, []*proc.Process{p}, proc.Children())
	require.True(t, p.Alive())
	require.ErrorIs(t, p.Wait(over()), context.Canceled)
	io.WriteString(w, "input")
	w.Close()
	require.Equal(t, "green "+dir+" argument\ninput", out.all())
	require.Equal(t, &proc.ExitError{Name: p.Name(), PID: p.PID(), Code: 3}, p.Wait(watchdog(t)))
	require.Empty(t, proc.Children())
	require.Nil(t, p.AuthKey())

	c = shell(t, "cat")
	c.Name, c.Daemon = "holder", true
	r, w, err = os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	defer r.Close()
	c.Stdin = r
	ctx, cancel := context.WithCancel(t.Context())
	c.Cancel = ctx
	p, _ = command(t, c)
	require.Equal(t, "holder", p.Name())
	require.True(t, p.Daemon())
	cancel()
	require.Equal(t, -int(syscall.SIGKILL), code(t, p))
	_, err = c.Start(watchdog(t))
	require.ErrorIs(t, err, context.Canceled)
}

// openInShell returns what a shell lists as its open descriptors, when it was given the
// first n: these, what this process itself was started with, and the one that
// it opens to look.
func openInShell(t *testing.T, n int) string {
	t.Helper()
	fds := []string{strconv.Itoa(n)}
	for fd := range 1024 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if fd < n || fd > n && err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, strconv.Itoa(fd))
		}
	}
	slices.Sort(fds)
	return strings.Join(fds, " ") + "\n"
}

// P36: a program gets what is passed to it, and nothing else that is open here.
func TestCommandDescriptorsP36(t *testing.T) {
	other := mustOpen(t, os.DevNull)
	require.NotZero(t, other)
	p, out := command(t, shell(t, `cd /proc/$$/fd; echo *`))
	require.Equal(t, openInShell(t, 3), out.all())
	require.NoError(t, p.Wait(watchdog(t)))

	c := shell(t, `cd /proc/$$/fd; echo *; cat <&3; echo; env | grep ^SHMKIT_F`)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	c.Pass("f", r)
	p, out = command(t, c)
	r.Close()
	io.WriteString(w, "from a pipe")
	w.Close()
	require.Equal(t, openInShell(t, 4)+"from a pipe\nSHMKIT_F=fd=3;kind=file\n", out.all())
	require.NoError(t, p.Wait(watchdog(t)))
}

var startCommand = proc.Register("startCommand", func(ctx context.Context, _ struct{}) error {
	_, err := proc.Command("true").Start(ctx)
	if !errors.Is(err, proc.ErrDaemon) {
		return fmt.Errorf("a daemon's child: %v", err)
	}
	return nil
})

func TestBadCommands(t *testing.T) {
	ctx := watchdog(t)
	_, err := proc.Command("no-such-program-anywhere", "x").Start(ctx)
	require.ErrorIs(t, err, exec.ErrNotFound)
	require.ErrorContains(t, err, "start no-such-program-anywhere: ")
	_, err = proc.Command("/nonexistent/program").Start(ctx)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = proc.Command("true").Start(over())
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, start(t, startCommand, struct{}{}, &proc.Options{Daemon: true}).Wait(ctx))

	bare := &proc.Cmd{Path: "/nonexistent/program"}
	_, err = bare.Start(ctx)
	require.ErrorContains(t, err, "start /nonexistent/program: ")
	bare = &proc.Cmd{Path: "/bin/true"}
	p, err := bare.Start(ctx)
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))

	closed := mustOpen(t, os.DevNull)
	closed.Close()
	for want, pass := range map[string]func(*proc.Cmd){
		`pass "a-b": a key consists of letters, digits and underscores`: func(c *proc.Cmd) { c.Pass("a-b", 1) },
		`pass "": a key consists`:                    func(c *proc.Cmd) { c.Pass("", 1) },
		`pass "A": SHMKIT_A is taken`:                func(c *proc.Cmd) { c.Pass("a", 1); c.Pass("A", 2) },
		`pass "handles": SHMKIT_HANDLES is taken`:    func(c *proc.Cmd) { c.Pass("handles", 1) },
		`pass "c": cbor: unsupported type: chan int`: func(c *proc.Cmd) { c.Pass("c", make(chan int)) },
		`pass "f": duplicate descriptor`:             func(c *proc.Cmd) { c.Pass("f", closed) },
		`pass "g": invalid argument`:                 func(c *proc.Cmd) { c.Pass("g", (*os.File)(nil)) },
	} {
		r := newRing(t)
		role, recv := ends(t, r)
		c := proc.Command("true")
		c.Pass("role", role)
		pass(c)
		_, err := c.Start(ctx)
		require.ErrorIs(t, err, proc.ErrArgument)
		require.ErrorContains(t, err, want)
		require.NoError(t, role.Send(ctx, nil), "the role is still ours")
		require.NoError(t, recv.Close())
		require.NoError(t, role.Close())
	}
	require.Empty(t, proc.Children())
}

// A script in Python works on a segment and an array, and its death is noticed as
// any other's.
func TestPythonOnSegment(t *testing.T) {
	python := testproc.NeedTool(t, "python3")
	seg, err := shm.Create("", 4096, nil)
	require.NoError(t, err)
	defer seg.Close()
	copy(seg.Bytes(), "from Go")
	array, err := shm.NewArray[float64]("", 3, nil)
	require.NoError(t, err)
	defer array.Close()
	require.NoError(t, array.Set(0, 1.5))

	c := proc.Command(python, "-c", `
import mmap, os, signal, struct
def memory(key):
    about = dict(f.split("=", 1) for f in os.environ["SHMKIT_" + key].split(";"))
    return about["kind"], mmap.mmap(int(about["fd"]), int(about["size"]))
kind, segment = memory("DATA")
print(kind, segment.size(), segment[:7].decode())
segment[0:11] = b"from Python"
kind, array = memory("ROWS")
first, = struct.unpack_from("d", array, 256)
struct.pack_into("d", array, 256 + 2 * 8, 2 * first)
print(kind, first, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
`)
	c.Pass("data", seg)
	c.Pass("rows", array)
	p, out := command(t, c)
	require.Equal(t, "shm.segment 4096 from Go\nshm.array 1.5\n", out.all())
	require.Equal(t, -9, code(t, p))
	require.Equal(t, "from Python", string(seg.Bytes()[:11]))
	v, err := array.At(2)
	require.NoError(t, err)
	require.Equal(t, 3.0, v)
}

const cProgram = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int main(void) {
	int fd;
	char kind[32];
	unsigned long size;
	if (sscanf(getenv("SHMKIT_DATA"), "fd=%d;kind=%31[^;];size=%lu", &fd, kind, &size) != 3)
		return 1;
	char *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return 2;
	printf("%s %lu %s\n", kind, size, p);
	strcpy(p, "from C");
	return 0;
}
`

func TestCOnSegment(t *testing.T) {
	cc := testproc.NeedTool(t, "cc")
	dir := t.TempDir()
	source, program := filepath.Join(dir, "worker.c"), filepath.Join(dir, "worker")
	require.NoError(t, os.WriteFile(source, []byte(cProgram), 0o600))
	out, err := exec.Command(cc, "-o", program, source).CombinedOutput()
	require.NoError(t, err, "%s", out)
	seg, err := shm.Create(testproc.Name(t), 100, nil)
	require.NoError(t, err)
	defer seg.Unlink()
	defer seg.Close()
	copy(seg.Bytes(), "from Go")
	c := proc.Command(program)
	c.Pass("data", seg)
	p, said := command(t, c)
	require.Equal(t, "shm.segment 100 from Go\n", said.all())
	require.NoError(t, p.Wait(watchdog(t)))
	require.Equal(t, "from C\x00", string(seg.Bytes()[:7]))
}

// buildForeign returns the path of testdata/foreign, a program of its own.
func buildForeign(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "foreign")
	out, err := exec.Command(testproc.NeedGo(t), "build", "-o", program, "./testdata/foreign").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

type limits struct {
	Low, High int
	Counts    *shm.Array[int64]
}

// Another Go program picks up what it was passed, roles included.
func TestPassedToAnotherProgram(t *testing.T) {
	ctx, program := watchdog(t), buildForeign(t)
	counts, err := shm.NewArray[int64]("", 1, nil)
	require.NoError(t, err)
	defer counts.Close()
	r, w, err := os.Pipe()
	require.NoError(t, err)

	ring := newRing(t)
	send, recv := ends(t, ring)
	c := proc.Command(program)
	c.Env = []string{"SHMKIT_HANDLES=of an older generation"}
	c.Pass("out", send)
	c.Pass("limits", limits{3, 10, counts})
	c.Pass("file", r)
	c.Pass("wrong", counts)
	ours, theirs, err := proc.Pipe(nil)
	require.NoError(t, err)
	defer ours.Close()
	c.Pass("conn", theirs)
	p, said := command(t, c)
	r.Close()
	io.WriteString(w, "text")
	w.Close()
	require.ErrorIs(t, send.Send(ctx, nil), ringbuf.ErrClosed, "the role is the child's")
	require.NoError(t, ours.Send(ctx, "question"))
	var answer string
	require.NoError(t, ours.Recv(ctx, &answer))
	require.Equal(t, "question answered", answer)
	m, err := recv.Recv(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, `text; true; passed "out": nothing was passed under this key true; []`, string(m))
	require.Empty(t, said.all())
	require.NoError(t, p.Wait(ctx))
	n, err := counts.At(0)
	require.NoError(t, err)
	require.EqualValues(t, 7, n)
	_, err = recv.Recv(ctx, nil)
	require.ErrorIs(t, err, ringbuf.ErrPeerDied, "it did not close the ring")

	// A role that the program never picks up falls vacant with it.
	ring = newRing(t)
	send, recv = ends(t, ring)
	c = proc.Command(program, "leave")
	c.Pass("out", send)
	p, _ = command(t, c)
	_, err = recv.Recv(ctx, nil)
	require.ErrorIs(t, err, ringbuf.ErrPeerDied)
	require.NoError(t, p.Wait(ctx))
	_, err = ring.Producer()
	require.NoError(t, err)
}

// Nothing was passed to this process.
func TestNothingPassed(t *testing.T) {
	var f *os.File
	require.ErrorIs(t, proc.Passed("data", &f), proc.ErrNotPassed)
}

var _ = testproc.Helper("told of other files", func(c *testproc.Child) {
	var f *os.File
	err := proc.Passed("f", &f)
	c.WriteLine("%v %v", errors.Is(err, proc.ErrNotPassed), os.Getenv(proc.HandlesEnv) == "")
})

// A program that inherits the variable without the descriptors, or with garbage
// in it, has been passed nothing.
func TestStaleVariables(t *testing.T) {
	c := shell(t, `echo "$`+proc.HandlesEnv+`"`)
	c.Pass("f", mustOpen(t, os.DevNull))
	_, out := command(t, c)
	for _, text := range []string{strings.TrimSpace(out.all()), "", "%", "oWFh", "oA"} {
		p := testproc.Start(t, "told of other files", testproc.Env(proc.HandlesEnv+"="+text))
		p.Expect("true true")
		p.Wait()
	}
}
