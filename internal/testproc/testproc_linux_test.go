package testproc

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

var _ = Helper("echo", func(c *Child) {
	c.WriteLine("args %s", strings.Join(c.Args, ","))
	for {
		c.WriteLine("%s", c.ReadLine())
	}
})

func TestLinesAndArgs(t *testing.T) {
	p := Start(t, "echo", Args("a", "b c"))
	p.Expect("args a,b c")
	p.WriteLine("one %d", 1)
	p.WriteLine("two")
	p.Expect("one 1")
	p.Expect("two")
	p.CloseStdin()
	_, ok := p.NextLine()
	require.False(t, ok)
	p.Succeed()
}

var _ = Helper("files", func(c *Child) {
	for _, f := range c.Files {
		b, err := io.ReadAll(f)
		require.NoError(c, err)
		c.WriteLine("%s %s", b, os.Getenv("GREETING"))
	}
	out, err := exec.Command("ls", "-l", "/proc/self/fd").Output()
	require.NoError(c, err)
	require.NotContains(c, string(out), "testproc-passed", "passed files must not reach grandchildren")
})

func TestFilesAndEnv(t *testing.T) {
	dir := t.TempDir()
	var files []*os.File
	for _, s := range []string{"first", "second"} {
		name := filepath.Join(dir, "testproc-passed-"+s)
		require.NoError(t, os.WriteFile(name, []byte(s), 0o600))
		f, err := os.Open(name)
		require.NoError(t, err)
		defer f.Close()
		files = append(files, f)
	}
	p := Start(t, "files", Files(files...), Env("GREETING=hello"))
	p.Expect("first hello")
	p.Expect("second hello")
	p.Succeed()
}

var _ = Helper("parked", func(c *Child) {
	c.WriteLine("ready")
	c.Park()
})

func TestKillStopCont(t *testing.T) {
	p := Start(t, "parked")
	p.Expect("ready")
	require.True(t, p.Stop())
	select {
	case <-p.Exited():
		t.Fatal("a stopped child has ended")
	default:
	}
	p.Cont()
	p.CloseStdin()
	p.Succeed()
	p.Kill() // of what is gone: nothing

	p = Start(t, "parked")
	p.Expect("ready")
	p.Kill()
	status := p.Wait().Sys().(syscall.WaitStatus)
	require.True(t, status.Signaled())
	require.Equal(t, syscall.SIGKILL, status.Signal())
	require.False(t, p.WaitStopped())
}

var _ = Helper("failing", func(c *Child) {
	require.Equal(c, 1, 2, "arithmetic")
})

func TestChildRequirementFails(t *testing.T) {
	p := Start(t, "failing")
	require.Equal(t, 1, p.Wait().ExitCode())
	require.Contains(t, p.Stderr(), "arithmetic")
}

var _ = Helper("parent", func(c *Child) {
	p := &Proc{name: "parked", exited: make(chan struct{})}
	require.NoError(c, p.start(&start{binary: self, files: c.Files}))
	require.NoError(c, c.Files[0].Close())
	line, err := p.lines.ReadString('\n')
	require.NoError(c, err)
	require.Equal(c, "ready\n", line)
	c.WriteLine("started")
	c.Park()
})

// A child must not outlive its test process, however that ends.
func TestChildDiesWithParent(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	p := Start(t, "parent", Files(w))
	require.NoError(t, w.Close())
	p.Expect("started")
	p.Kill()
	// Ends when the grandchild, the last to hold w, is gone.
	Within(t, func() { io.Copy(io.Discard, r) })
}

func TestPoints(t *testing.T) {
	require.Equal(t, []string{"walk/begin", "walk/loop", "walk/rare"}, Points(t, "testdata/walk"))
	for name, src := range map[string]string{
		"literal": "package p\nfunc f(s string) { crashpoint.Hit(s) }",
		"parse":   "package p\nfunc",
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "p.go"), []byte(src), 0o600))
		_, err := pointsIn(dir)
		require.Error(t, err, name)
	}
	_, err := pointsIn(t.TempDir())
	require.Error(t, err, "no Go files")
}

// failed is a test that only takes down why it failed.
type failed struct {
	testing.TB
	why string
}

func (f *failed) Helper() {}

func (f *failed) Fatalf(format string, args ...any) { f.why = fmt.Sprintf(format, args...) }

func TestWatchdogDumpsStacks(t *testing.T) {
	p := Start(t, "parked")
	p.Expect("ready")
	require.True(t, p.Stop())
	record := &failed{TB: t}
	p.t = record
	p.stuck("does nothing")
	p.t = t
	require.Contains(t, record.why, "TestWatchdogDumpsStacks", "the test's own stacks")
	require.Contains(t, p.Stderr(), "testproc.runHelper", "the child's stacks")
}

// build compiles a test program under testdata.
func build(t *testing.T, dir string) string {
	path := filepath.Join(t.TempDir(), "prog")
	cmd := exec.Command(NeedGo(t), "test", "-c", "-vet=off", "-o", path, ".")
	cmd.Dir = filepath.Join("testdata", dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

func run(path, dir string, env ...string) (string, error) {
	cmd := exec.Command(path)
	cmd.Dir = filepath.Join("testdata", dir)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestCrashWalk(t *testing.T) {
	Need(t, "Linux, to start processes", supported)
	path := build(t, "walk")
	out, err := run(path, "walk", "WALK=rare")
	require.NoError(t, err, out)

	out, err = run(path, "walk", "WALK=")
	require.Error(t, err)
	require.Contains(t, out, `no scenario reached crash point "walk/rare"`)
	require.NotContains(t, out, `crash point "walk/loop"`)
}

func TestMainFindsLeaks(t *testing.T) {
	Need(t, "Linux, to start processes", supported)
	path := build(t, "leaks")
	out, err := run(path, "leaks", "LEAK=none")
	require.NoError(t, err, out)
	out, err = run(path, "leaks", "LEAK=needed", "SHMKIT_REQUIRE=")
	require.NoError(t, err, out, "a skipped test cannot use its helpers")
	out, err = run(path, "leaks", "LEAK=needed", "SHMKIT_REQUIRE=all")
	require.Error(t, err)
	require.Contains(t, out, "needs the moon")
	for leak, want := range map[string]string{
		"helper":     `no test started helper "used"`,
		"descriptor": `leak: descriptor \d+: `,
		"mapping":    `leak: mapping: .*/memfd:left`,
		"name":       `leak: name: (/dev/shm/sem\.shmkit-test-\S+)`,
		"process":    `leak: process (\d+): sleep`,
		"sleeper":    `leak: sleeping thread:`,
	} {
		t.Run(leak, func(t *testing.T) {
			t.Parallel() // each waits two seconds for its leak to end
			out, err := run(path, "leaks", "LEAK="+leak)
			require.Error(t, err)
			found := regexp.MustCompile(want).FindStringSubmatch(out)
			require.NotNil(t, found, out)
			require.Equal(t, 1, strings.Count(out, "testproc: "), out)
			switch leak {
			case "name":
				require.NoError(t, os.Remove(found[1]))
			case "process":
				pid, err := strconv.Atoi(found[1])
				require.NoError(t, err)
				require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			}
		})
	}
}
