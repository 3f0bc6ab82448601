package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
)

func TestMain(m *testing.M) {
	proc.Main()
	testproc.Main(m)
}

var _ = testproc.Helper("main", func(*testproc.Child) { main() })

// check finds the lines of each process together, in whatever order the
// processes took the lock.
func check(t *testing.T, lines []string) {
	t.Helper()
	var want, got [][]string
	for i := range 10 {
		want = append(want, []string{fmt.Sprint("hello ", i), fmt.Sprint("goodbye ", i)})
	}
	for pair := range slices.Chunk(lines, 2) {
		got = append(got, pair)
	}
	require.ElementsMatch(t, want, got)
}

func TestGo(t *testing.T) {
	check(t, testproc.Start(t, "main").Lines())
}

func TestPython(t *testing.T) {
	check(t, testproc.Python(t, "main.py"))
}

func TestReadme(t *testing.T) {
	testproc.Quotes(t, "README.md", "main.py", "main.go")
}
