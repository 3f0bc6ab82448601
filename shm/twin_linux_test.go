//go:build !explore

package shm_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// TestTwinExplored runs the tests that have the tag explore: S1 in all
// interleavings of a few processes.
func TestTwinExplored(t *testing.T) {
	_, err := os.ReadFile("twin_explore_test.go") // so that a change of it counts for go test's cache
	require.NoError(t, err)
	out, err := exec.Command(testproc.NeedGo(t), "test", "-tags", "explore", "-count", "1", "-v", "-run", "^TestTwinModel", ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestTwinModelSeesTornValues")
	t.Logf("%s", out)
}
