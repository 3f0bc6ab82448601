package main

import (
	"strings"
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

var want = []string{"[1 4 9 16]", "[1 4 9 16]"}

// G18.
func TestGo(t *testing.T) {
	require.Equal(t, want, testproc.Start(t, "main").Lines())
}

func TestPython(t *testing.T) {
	var got []string
	for _, line := range testproc.Python(t, "main.py") {
		got = append(got, strings.ReplaceAll(line, ",", ""))
	}
	require.Equal(t, want, got)
}

func TestReadme(t *testing.T) {
	testproc.Quotes(t, "README.md", "main.py", "main.go")
}
