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
	"999999937 is prime",
	"999999938 is not prime",
	"1000000007 is prime",
	"1000000011 is not prime",
	"998244353 is prime",
	"2147483629 is prime",
	"root of -1: negative: -1",
	"root of 4 is 2",
	"root of 9 is 3",
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
