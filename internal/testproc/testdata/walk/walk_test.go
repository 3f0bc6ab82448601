package walk

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { testproc.Main(m) }

var _ = testproc.Helper("runner", func(c *testproc.Child) {
	Run(c.Args[0] == "rare", func(s string) { c.WriteLine("%s", s) })
})

// said is what the victim gets to say before it dies at the hit of a point.
var said = map[string][]string{
	"walk/begin": {"", "begun looped looped looped rare"},
	"walk/loop":  {"begun", "begun looped"},
	"walk/rare":  {"begun looped looped looped", "begun looped looped looped rare"},
}

func TestKill(t *testing.T) {
	testproc.CrashWalk(t, &testproc.WalkOptions{Hits: 2}, func(t *testing.T, v *testproc.Victim) {
		p := v.Start("runner", testproc.Args(os.Getenv("WALK")))
		var lines []string
		for line, ok := p.NextLine(); ok; line, ok = p.NextLine() {
			lines = append(lines, line)
		}
		status := p.Wait().Sys().(syscall.WaitStatus)
		require.Equal(t, v.Fired(), status.Signaled() && status.Signal() == syscall.SIGKILL)
		if os.Getenv("WALK") == "rare" {
			require.Equal(t, said[v.Point][v.Hit-1], strings.Join(lines, " "))
			require.Contains(t, v.Reached(), v.Point)
		}
	})
}

func TestStop(t *testing.T) {
	testproc.CrashWalk(t, &testproc.WalkOptions{Stop: true}, func(t *testing.T, v *testproc.Victim) {
		p := v.Start("runner", testproc.Args("rare"))
		require.True(t, p.WaitStopped())
		require.True(t, v.Fired())
		p.Cont()
		p.Succeed()
	})
}
