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

func TestGo(t *testing.T) {
	require.Equal(t, []string{`Namespace(x=10, y="hello")`}, testproc.Start(t, "main").Lines())
}

func TestPython(t *testing.T) {
	require.Equal(t, []string{"Namespace(x=10, y='hello')"}, testproc.Python(t, "main.py"))
}

func TestReadme(t *testing.T) {
	testproc.Quotes(t, "README.md", "main.py", "main.go")
}
