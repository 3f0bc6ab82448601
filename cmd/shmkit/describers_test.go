package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/shmfile"
)

func TestEveryKindHasADescriber(t *testing.T) {
	set := describers()
	require.NotEmpty(t, shmfile.Kinds())
	for _, k := range shmfile.Kinds() {
		kind, ok := set.Kind(k.String())
		require.True(t, ok, "no describer for kind %v", k)
		require.NotNil(t, kind.Describe)
		require.Nil(t, kind.Is, "%v has a header", k)
	}
	for _, k := range []string{"list", "semaphore", "segment"} {
		kind, ok := set.Kind(k)
		require.True(t, ok, k)
		require.NotNil(t, kind.Is, "%v has no header", k)
	}
}

// notInMemory are the types of package semaphore that do not lie in shared memory.
var notInMemory = map[string]string{
	"Holder":       "a handle of one process",
	"Named":        "a handle of one process; its file is a Semaphore",
	"PermitHolder": "what Permits.Holders returns",
	"OpenOptions":  "options",
}

func TestEveryLockHasADescriber(t *testing.T) {
	set := describers()
	files, err := filepath.Glob("../../semaphore/*.go")
	require.NoError(t, err)
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		require.NoError(t, err)
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, s := range g.Specs {
				ts := s.(*ast.TypeSpec)
				_, isStruct := ts.Type.(*ast.StructType)
				if !ts.Name.IsExported() || !isStruct || notInMemory[ts.Name.Name] != "" {
					continue
				}
				found++
				d, ok := set.Type("semaphore." + ts.Name.Name)
				require.True(t, ok, "no describer for semaphore.%s", ts.Name.Name)
				require.Equal(t, ts.Name.Name, d.Layout.Name())
			}
		}
	}
	require.GreaterOrEqual(t, found, 9)
}

func itoa(n int) string { return strconv.Itoa(n) }
