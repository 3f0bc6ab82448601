package testproc

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Points returns the names of all crash points in the non-test files of the
// given package directories, "." if none is given, in the order of the source.
func Points(t testing.TB, dirs ...string) []string {
	t.Helper()
	if len(dirs) == 0 {
		dirs = []string{"."}
	}
	var points []string
	for _, dir := range dirs {
		found, err := pointsIn(dir)
		if err != nil {
			t.Fatalf("find crash points: %v", err)
		}
		points = append(points, found...)
	}
	sorted := slices.Sorted(slices.Values(points))
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			t.Fatalf("crash point %q stands in two places: a walk could not tell them apart", sorted[i])
		}
	}
	return points
}

func pointsIn(dir string) ([]string, error) {
	fset := token.NewFileSet()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no Go files: %w", dir, fs.ErrNotExist)
	}
	var points []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isHit(call.Fun) || len(call.Args) != 1 {
				return true
			}
			name, ok := literal(call.Args[0])
			if !ok && err == nil {
				err = fmt.Errorf("%v: the name of a crash point has to be a string literal", fset.Position(call.Pos()))
			}
			points = append(points, name)
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return points, nil
}

func isHit(fun ast.Expr) bool {
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Hit" {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "crashpoint"
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}
