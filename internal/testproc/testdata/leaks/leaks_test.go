// Package leaks leaves behind what the environment variable LEAK names. The
// tests of testproc run it as a program of its own.
package leaks

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { testproc.Main(m) }

var _ = testproc.Helper("used", func(c *testproc.Child) {})

func TestLeak(t *testing.T) {
	switch leak := os.Getenv("LEAK"); leak {
	case "none":
		testproc.Start(t, "used").Succeed()
	case "helper":
	case "needed":
		testproc.Need(t, "the moon", false)
	case "descriptor":
		testproc.Start(t, "used").Succeed()
		must(unix.Dup(1))
	case "mapping":
		testproc.Start(t, "used").Succeed()
		fd := must(unix.MemfdCreate("left", unix.MFD_CLOEXEC))
		check(unix.Ftruncate(fd, 4096))
		must(unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_SHARED))
		check(unix.Close(fd))
	case "name":
		testproc.Start(t, "used").Succeed()
		name := "/dev/shm/sem." + testproc.Name(t)
		check(os.WriteFile(name, nil, 0o600))
		os.Stdout.WriteString(name + "\n")
	case "process":
		testproc.Start(t, "used").Succeed()
		cmd := exec.Command("sleep", "30")
		check(cmd.Start())
		check(cmd.Process.Release())
	case "sleeper":
		testproc.Start(t, "used").Succeed()
		go unix.Poll(nil, -1)
		stacks := make([]byte, 1<<16)
		for !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(" [syscall")) {
			runtime.Gosched()
		}
	default:
		t.Fatalf("LEAK=%q", leak)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
