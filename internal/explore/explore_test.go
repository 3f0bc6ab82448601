//go:build !explore

package explore

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { testproc.Main(m) }

// explored are the packages with tests that have the tag explore, and one test
// of each that has to have run.
var explored = map[string]string{
	".":             "TestCounter",
	"../../ringbuf": "TestExploreRing",
}

// TestExplore runs the tests that have the tag explore.
func TestExplore(t *testing.T) {
	if race.Enabled {
		t.Skip("the runs that it starts are the same with and without the race detector")
	}
	readSources(t)
	gotool := testproc.NeedGo(t)
	for dir, mustRun := range explored {
		t.Run(dir, func(t *testing.T) {
			t.Parallel() // each explores on one processor
			args := []string{"test", "-tags", "explore", "-count", "1", "-v"}
			if testing.Short() {
				args = append(args, "-short")
			}
			if dir != "." {
				args = append(args, "-run", "^TestExplore") // its other tests are for real processes
			}
			out, err := exec.Command(gotool, append(args, dir)...).CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "--- PASS: "+mustRun)
			for line := range strings.Lines(string(out)) {
				if strings.Contains(line, " schedules, ") {
					t.Log(strings.TrimSpace(line))
				}
			}
		})
	}
}

// readSources reads the sources that are explored, so that `go test` does not
// give a cached result when one of them has changed: this binary is built
// without the tag and has not got them all.
func readSources(t *testing.T) {
	for _, dir := range []string{"..", "../../semaphore", "../../ringbuf"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") {
				_, err = os.ReadFile(path)
			}
			return err
		})
		require.NoError(t, err)
	}
}
