package testproc

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// The environment of a child, by which it knows what it is.
const (
	envHelper = "SHMKIT_TESTPROC_HELPER"
	envFiles  = "SHMKIT_TESTPROC_FILES"
	envRun    = "SHMKIT_TESTPROC_RUN"
)

// Main is the body of TestMain. In a child it runs the helper and exits. In the
// test process it runs the tests, checks what they left behind, and exits.
func Main(m *testing.M) {
	if name, ok := os.LookupEnv(envHelper); ok {
		runHelper(name)
		os.Exit(0)
	}
	os.Exit(runTests(m))
}

func runHelper(name string) {
	fn, ok := registry.lookup(name)
	if !ok {
		fmt.Fprintf(os.Stderr, "testproc: no helper %q in this binary\n", name)
		os.Exit(2)
	}
	n, err := strconv.Atoi(os.Getenv(envFiles))
	if err != nil {
		fmt.Fprintf(os.Stderr, "testproc: %s: %v\n", envFiles, err)
		os.Exit(2)
	}
	// What this helper starts itself is not a helper, unless it says so.
	os.Unsetenv(envHelper)
	os.Unsetenv(envFiles)
	fn(newChild(os.Args[1:], n))
}

func runTests(m *testing.M) int {
	// The mark by which leaks finds processes that descend from this run.
	os.Setenv(envRun, runID())
	// The race detector makes a process wait for a second when it exits.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	before := takeSnapshot()
	code := m.Run()
	removeVictims()
	if flagValue("test.fuzzworker") == "true" || flagValue("test.list") != "" {
		return code
	}
	if code == 0 && fullRun() {
		for _, name := range registry.unused() {
			fmt.Fprintf(os.Stderr, "testproc: no test started helper %q\n", name)
			code = 1
		}
	}
	for _, leak := range before.leaks() {
		fmt.Fprintf(os.Stderr, "testproc: leak: %s\n", leak)
		code = 1
	}
	return code
}

// fullRun says whether every test of the package ran to its end.
func fullRun() bool {
	return !testing.Short() && !skipped.Load() &&
		flagValue("test.run") == "" && flagValue("test.skip") == "" && flagValue("test.fuzz") == ""
}

func flagValue(name string) string {
	f := flag.Lookup(name)
	if f == nil {
		return ""
	}
	return f.Value.String()
}
