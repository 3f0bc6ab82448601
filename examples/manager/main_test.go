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

var want = []string{"12 keys", "1 2 nothing", "0 1 2 3 4 5 6 7 8 9"}

func TestGo(t *testing.T) {
	require.Equal(t, want, testproc.Start(t, "main").Lines())
}

func TestPython(t *testing.T) {
	require.Equal(t, want, testproc.Python(t, "main.py"))
}

func TestReadme(t *testing.T) {
	testproc.Quotes(t, "README.md", "main.py", "main.go")
}
