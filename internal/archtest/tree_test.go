package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/shmkit/shmkit"

// root is the root of the source tree, from this package's directory.
const root = "../.."

// file is one parsed Go file.
type file struct {
	path string // slashes, relative to root
	dir  string // its directory, "." for the root
	src  string
	fset *token.FileSet
	ast  *ast.File
}

func (f *file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// inBench says whether the file belongs to the bench module.
func (f *file) inBench() bool { return f.dir == "bench" || strings.HasPrefix(f.dir, "bench/") }

func (f *file) at(n ast.Node, complaint string) string {
	return f.path + ":" + strconv.Itoa(f.fset.Position(n.Pos()).Line) + ": " + complaint
}

// imports returns import path by the name it has in this file.
func (f *file) imports() map[string]string {
	m := make(map[string]string)
	for _, spec := range f.ast.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		m[name] = p
	}
	return m
}

// selects reports whether e is name.sel where name is the import of pkg, and
// returns sel.
func (f *file) selects(e ast.Node, pkg string) (sel string, ok bool) {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	x, ok := s.X.(*ast.Ident)
	if !ok || f.imports()[x.Name] != pkg {
		return "", false
	}
	return s.Sel.Name, true
}

func parse(name, src string) (*file, error) {
	f := &file{path: name, dir: path.Dir(name), src: src, fset: token.NewFileSet()}
	var err error
	f.ast, err = parser.ParseFile(f.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	return f, err
}

// tree parses every Go file of the repository, but for testdata.
func tree(t *testing.T) []*file {
	t.Helper()
	var files []*file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); p != root && (strings.HasPrefix(n, ".") || n == "testdata" || n == "out") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		f, err := parse(filepath.ToSlash(rel), string(src))
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(files), 20, "the tree was not found")
	return files
}
