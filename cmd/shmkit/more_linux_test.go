package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// What has no header is known by its name and its bytes.
func TestWithoutHeader(t *testing.T) {
	name := testproc.Name(t)
	n, err := semaphore.Open(name, &semaphore.OpenOptions{Create: true, Value: 2, Max: 5})
	require.NoError(t, err)
	defer n.Unlink()
	defer n.Close()
	out, _ := shmkit(t, 0, "stat", "sem."+name)
	require.Contains(t, out, "value 2, 0 waiting")
	out, _ = shmkit(t, 0, "dump", "sem."+name)
	require.Contains(t, out, "semaphore.sem.max = 5")

	l, err := shm.NewShareableList(name+"-list", nil, "a", 1) // without a lock, as Python's are
	require.NoError(t, err)
	defer l.Unlink()
	defer l.Close()
	s, err := shm.Create(name+"-raw", 100, nil)
	require.NoError(t, err)
	defer s.Unlink()
	defer s.Close()
	out, _ = shmkit(t, 0, "ls", "sem."+name, name+"-list", name+"-raw")
	kinds := map[string]string{}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 1 {
			kinds[f[0]] = f[1]
		}
	}
	require.Equal(t, "semaphore", kinds["sem."+name])
	require.Equal(t, "list", kinds[name+"-list"])
	require.Equal(t, "segment", kinds[name+"-raw"])
	out, _ = shmkit(t, 0, "stat", name+"-list")
	require.Contains(t, squeeze(out), "[0]  \"a\"\n  [1]  1")
}

// Pids of another pid namespace are not looked up here.
func TestForeignNamespace(t *testing.T) {
	p, name := start(t, "holder", "held")
	_ = p
	b, err := os.ReadFile("/dev/shm/" + name)
	require.NoError(t, err)
	binary.LittleEndian.PutUint64(b[48:], 1)
	d := describers().Describe("", describe.NewFile(bytes.NewReader(b), int64(len(b))))
	var out bytes.Buffer
	require.NoError(t, d.Root.Print(&out))
	require.Contains(t, out.String(), "another pid namespace")
	require.NotContains(t, out.String(), "runs")
	require.True(t, d.Foreign)
}

// A file that is shorter than it says, or is cut off while it is read, is described as far
// as it goes.
func TestTruncated(t *testing.T) {
	p, name := start(t, "holder", "held")
	_ = p
	b, err := os.ReadFile("/dev/shm/" + name)
	require.NoError(t, err)
	for _, n := range []int{0, 1, 8, 100, 127, 128, 200, 10000, len(b) - 1} {
		f := describe.NewFile(bytes.NewReader(b[:n]), int64(n))
		d := describers().Describe("x", f)
		require.NoError(t, d.Root.Print(&bytes.Buffer{}))
		if n >= 8 {
			require.NotNil(t, d.Root.Find("header", "error"), "%d bytes", n)
		}
		cut := describe.NewFile(bytes.NewReader(b[:n]), int64(len(b))) // shrank since it was opened
		d = describers().Describe("x", cut)
		require.NoError(t, d.Root.Print(&bytes.Buffer{}))
		require.ErrorIs(t, func() error { _, err := cut.Read(0, int64(len(b))); return err }(), shmfile.ErrTruncated)
	}
}

// What a machine lacks is made missing by strace.
func TestDoctorFindsWhatIsMissing(t *testing.T) {
	strace := testproc.NeedTool(t, "strace")
	self, err := os.Executable()
	require.NoError(t, err)
	for _, c := range []struct {
		inject, check string
		grade         grade
		code          int
	}{
		{"memfd_create:error=ENOSYS", "memfd", missing, 1},
		{"get_robust_list:error=EPERM", "robust futexes", missing, 1},
		{"futex_waitv:error=ENOSYS", "futex_waitv", note, 0},
		{"membarrier:error=EPERM", "membarrier", note, 0},
		{"inotify_init1:error=EMFILE", "inotify", note, 0},
		{"statfs:error=ENOENT", "/dev/shm", missing, 1},
	} {
		cmd := exec.Command(strace, "-f", "-qq", "-o", "/dev/null", "-e", "inject="+c.inject, self, "doctor", "-json")
		cmd.Env = toolCommand().Env
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run()
		require.Equal(t, c.code, cmd.ProcessState.ExitCode(), "%s: %s%s", c.inject, out.String(), errs.String())
		var found []finding
		require.NoError(t, json.Unmarshal(out.Bytes(), &found))
		got := map[string]grade{}
		for _, f := range found {
			got[f.Check] = f.Grade
		}
		require.Equal(t, c.grade, got[c.check], c.inject)
	}
}

func TestPrintableJSON(t *testing.T) {
	b, err := json.Marshal("a\x1b\u009b2J\u202eé\U000e0001")
	require.NoError(t, err)
	s := printableJSON(b)
	require.Equal(t, `"a\u001b\u009b2J\u202eé\udb40\udc01"`, s)
	var back string
	require.NoError(t, json.Unmarshal([]byte(s), &back))
	require.Equal(t, "a\x1b\u009b2J\u202eé\U000e0001", back)
}
