package testproc

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var _ = Helper("three lines", func(c *Child) {
	for _, line := range []string{"a", "", "b"} {
		c.WriteLine("%s", line)
	}
})

func TestLines(t *testing.T) {
	require.Equal(t, []string{"a", "", "b"}, Start(t, "three lines").Lines())
}

func TestPython(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program.py")
	require.NoError(t, os.WriteFile(program, []byte("import sys\nprint('a')\nprint(sys.flags.ignore_environment)\n"), 0o600))
	require.Equal(t, []string{"a", "1"}, Python(t, program))
}

// complaints is a test that goes on after a failure.
type complaints struct {
	testing.TB
	failed bool
}

func (c *complaints) Errorf(string, ...any) { c.failed = true }

func TestQuotes(t *testing.T) {
	dir := t.TempDir()
	source, page := filepath.Join(dir, "x.go"), filepath.Join(dir, "page.md")
	require.NoError(t, os.WriteFile(source, []byte("package x\n"), 0o600))
	for text, failed := range map[string]bool{
		"see\n\n```go\npackage x\n```\n":          false,
		"see\n\n```go\npackage x\n\nvar a\n```\n": true,
		"see\n\n```python\npackage x\n```\n":      true,
		"package x\n":                             true,
	} {
		require.NoError(t, os.WriteFile(page, []byte(text), 0o600))
		c := &complaints{TB: t}
		Quotes(c, page, source)
		require.Equal(t, failed, c.failed, text)
	}
}
