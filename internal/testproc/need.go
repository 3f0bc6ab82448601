package testproc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
)

// skipped remembers that some test did not run, so that its helpers had no
// chance to be used.
var skipped atomic.Bool

// Need skips the test, saying what is missing, unless ok. With
// SHMKIT_REQUIRE=all in the environment it fails instead.
func Need(t testing.TB, what string, ok bool) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("SHMKIT_REQUIRE") == "all" {
		t.Fatalf("needs %s, and SHMKIT_REQUIRE=all", what)
	}
	skipped.Store(true)
	t.Skipf("needs %s", what)
}

// NeedTool is Need for a program in PATH, whose path it returns.
func NeedTool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	Need(t, "the program "+name, err == nil)
	return path
}

// NeedGo is Need for the go tool: the one in PATH, or else the one of the
// installation that built this test.
func NeedGo(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("go")
	if err != nil {
		path = filepath.Join(runtime.GOROOT(), "bin", "go")
		_, err = os.Stat(path)
	}
	Need(t, "the go tool", err == nil)
	return path
}

var names atomic.Uint64

// Name returns a name for an object in /dev/shm that no other test and no other
// run uses. If a file whose name begins with it is left after the tests, the run
// fails.
func Name(t testing.TB) string {
	t.Helper()
	run := os.Getenv(envRun)
	if run == "" {
		t.Fatal("testproc.Name: TestMain does not call testproc.Main")
	}
	return fmt.Sprintf("%s-%d-%d", run, os.Getpid(), names.Add(1))
}
