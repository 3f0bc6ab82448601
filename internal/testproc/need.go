package testproc

import (
	"fmt"
	"os"
	"os/exec"
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

// NeedGo is NeedTool for the go tool. `go test` puts its own into PATH.
func NeedGo(t testing.TB) string {
	t.Helper()
	return NeedTool(t, "go")
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
