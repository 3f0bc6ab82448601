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

var want = []string{
	"squares 0 1 4 9 16 25 36 49",
	"in any order 140",
	"later 144",
	"by workers true",
	"gave up waiting",
	"still usable 25",
	"closed",
}

func TestGo(t *testing.T) {
	require.Equal(t, want, testproc.Start(t, "main").Lines())
}

func TestPython(t *testing.T) {
	require.Equal(t, want, testproc.Python(t, "main.py"))
}

func TestReadme(t *testing.T) {
	testproc.Quotes(t, "README.md", "main.py", "main.go")
}
