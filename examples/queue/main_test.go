package main

import (
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

// inPython is all that the program in Python writes; the other one goes on.
var inPython = []string{
	"heard hello",
	"heard hello",
	"terminated, exit code -15",
	"terminated, exit code -15",
}

func TestGo(t *testing.T) {
	require.Equal(t, slices.Concat(inPython, []string{
		"heard hello",
		"heard hello",
		"came to the end of the queue",
		"came to the end of the queue",
	}), testproc.Start(t, "main").Lines())
}

func TestPython(t *testing.T) {
	require.Equal(t, inPython, testproc.Python(t, "main.py"))
}

func TestReadme(t *testing.T) {
	testproc.Quotes(t, "README.md", "main.py", "main.go")
}
