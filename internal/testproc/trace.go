package testproc

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// Traced calls op so many times on one thread, between two system calls by which Trace
// finds them. A helper has one call of it.
func (c *Child) Traced(rounds int, op func() error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	syscall.Getppid()
	for range rounds {
		if err := op(); err != nil {
			c.Errorf("%v", err)
			c.FailNow()
		}
	}
	syscall.Getppid()
}

// Trace runs a helper under strace, to its end. It returns the system calls that the
// thread in Traced made there, and the whole trace. A few calls are always the runtime's.
func Trace(t testing.TB, helper string, opts ...Option) (calls []string, trace string) {
	t.Helper()
	strace := NeedTool(t, "strace")
	Need(t, "the right to trace processes", exec.Command(strace, "-o", os.DevNull, strace, "-V").Run() == nil)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "trace")
	opts = append([]Option{Binary(strace), Args("-f", "-qq", "-o", log, exe)}, opts...)
	Start(t, helper, opts...).Succeed()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	thread, ends := "", 0
	for line := range strings.Lines(string(b)) {
		tid, call, _ := strings.Cut(line, " ")
		call = strings.TrimSpace(call)
		switch {
		case strings.HasPrefix(call, "getppid("):
			thread = tid
			ends++
		case ends == 1 && tid == thread && !strings.HasPrefix(call, "---") && !strings.HasPrefix(call, "rt_sigreturn"):
			calls = append(calls, call) // signals are the runtime's
		}
	}
	if ends != 2 {
		t.Fatalf("testproc: the helper %q does not call Traced once:\n%s", helper, b)
	}
	return calls, string(b)
}
