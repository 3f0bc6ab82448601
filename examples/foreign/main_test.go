package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

func TestMain(m *testing.M) { testproc.Main(m) }

var _ = testproc.Helper("main", func(*testproc.Child) { main() })

var want = []string{"squared 512 numbers", "the last one is 261121"}

func TestGo(t *testing.T) {
	testproc.NeedTool(t, "python3")
	require.Equal(t, want, testproc.Start(t, "main").Lines())
}

func TestPython(t *testing.T) {
	require.Equal(t, want, testproc.Python(t, "main.py"))
}

// A worker that fails is an error of Wait, as any child's end.
func TestWorkerFails(t *testing.T) {
	testproc.NeedTool(t, "python3")
	old := program
	defer func() { program = old }()
	program = strings.Replace(program, "n * n", "n // 0", 1) + "\n"
	require.NotEqual(t, old, program)
	program = "import sys; sys.stderr = sys.stdout = open('/dev/null', 'w')\n" + program
	require.ErrorContains(t, run(t.Context()), "exited with code 1")
}

func TestReadme(t *testing.T) {
	testproc.Quotes(t, "README.md", "main.go", "worker.py", "main.py")
}
