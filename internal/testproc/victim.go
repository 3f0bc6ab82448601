package testproc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// victims holds the one binary that all walks of this run share.
var victims struct {
	mu   sync.Mutex
	dir  string
	path string
	err  error
}

// VictimBinary returns the path of this package's test binary built with live
// crash points. It is built at the first call and removed after the tests.
func VictimBinary(t testing.TB) string {
	t.Helper()
	Need(t, "Linux, to start processes", supported)
	gotool := NeedGo(t)
	victims.mu.Lock()
	defer victims.mu.Unlock()
	if victims.path == "" && victims.err == nil {
		victims.path, victims.err = buildVictim(gotool)
	}
	if victims.err != nil {
		t.Fatalf("build the victim: %v", victims.err)
	}
	return victims.path
}

func buildVictim(gotool string) (string, error) {
	dir, err := os.MkdirTemp("", "testproc")
	if err != nil {
		return "", err
	}
	victims.dir = dir
	path := filepath.Join(dir, "victim")
	cmd := exec.Command(gotool, "test", "-c", "-vet=off", "-tags", "crashpoints", "-o", path, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return path, nil
}

func removeVictims() {
	victims.mu.Lock()
	defer victims.mu.Unlock()
	if victims.dir != "" {
		os.RemoveAll(victims.dir)
		victims.dir, victims.path = "", ""
	}
}
