package main

import (
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

// check finds that nobody goes on before all have come.
func check(t *testing.T, lines []string) {
	t.Helper()
	require.Len(t, lines, 6)
	require.ElementsMatch(t, []string{"here is 0", "here is 1", "here is 2"}, lines[:3])
	require.ElementsMatch(t, []string{"all are here, says 0", "all are here, says 1", "all are here, says 2"}, lines[3:])
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
