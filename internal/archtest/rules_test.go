package archtest

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// unsafeIsNamed: unsafe stands in *_unsafe.go, so that all of it can be read.
func unsafeIsNamed(f *file) []string {
	if f.isTest() || strings.HasSuffix(f.path, "_unsafe.go") {
		return nil
	}
	for _, spec := range f.ast.Imports {
		if spec.Path.Value == `"unsafe"` {
			return []string{f.at(spec, "imports unsafe; the file has to be named *_unsafe.go")}
		}
	}
	return nil
}

var untyped = regexp.MustCompile(`^(Load|Store|Add|Swap|CompareAndSwap|And|Or)(Int32|Int64|Uint32|Uint64|Uintptr|Pointer)$`)

// atomicsAreTyped: a word that is atomic once is atomic always.
func atomicsAreTyped(f *file) []string {
	var bad []string
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if n == nil {
			return false
		}
		if name, ok := f.selects(n, "sync/atomic"); ok && untyped.MatchString(name) {
			bad = append(bad, f.at(n, "atomic."+name+"; use the typed atomics"))
		}
		return true
	})
	return bad
}

// noInit: importing a package has no effects.
func noInit(f *file) []string {
	if f.isTest() {
		return nil
	}
	for _, d := range f.ast.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			return []string{f.at(fn, "has an init function")}
		}
	}
	return nil
}

// sleepsSayWhy: a test does not order events by time.
func sleepsSayWhy(f *file) []string {
	if !f.isTest() {
		return nil
	}
	lines := strings.Split(f.src, "\n")
	var bad []string
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if n == nil {
			return false
		}
		name, ok := f.selects(n, "time")
		if ok && name == "Sleep" && !strings.Contains(lines[f.fset.Position(n.Pos()).Line-1], "// sleep: ") {
			bad = append(bad, f.at(n, "time.Sleep in a test without a comment `// sleep: why` on its line"))
		}
		return true
	})
	return bad
}

var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)

// nothingUnfinished: what is not done is an issue, not a comment.
func nothingUnfinished(f *file) []string {
	var bad []string
	for _, g := range f.ast.Comments {
		if m := unfinished.FindString(g.Text()); m != "" {
			bad = append(bad, f.at(g, "comment says "+m))
		}
	}
	return bad
}

// packagesAreDocumented: doc.go, and nothing else, carries the package comment.
func packagesAreDocumented(files []*file) []string {
	documented := make(map[string]bool)
	var dirs, bad []string
	for _, f := range files {
		if f.isTest() {
			continue
		}
		if !slices.Contains(dirs, f.dir) {
			dirs = append(dirs, f.dir)
		}
		switch {
		case f.ast.Doc == nil:
		case path.Base(f.path) == "doc.go":
			documented[f.dir] = true
		default:
			bad = append(bad, f.at(f.ast, "package comment outside doc.go"))
		}
	}
	for _, dir := range dirs {
		if !documented[dir] {
			bad = append(bad, dir+": no doc.go with a package comment")
		}
	}
	return bad
}

// typesHaveExamples: every exported type of a public package appears in an
// Example with output: one that is named after it, or one that has its name in
// the body (as a type, as the method that gives one, as the option that takes
// one).
func typesHaveExamples(files []*file) []string {
	shown := make(map[string]bool) // dir + "." + type
	for _, f := range files {
		if f.isTest() && isPublic(f.dir) {
			showTypes(f, shown)
		}
	}
	var bad []string
	for _, f := range files {
		if f.isTest() || !isPublic(f.dir) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if _, local := n.(*ast.BlockStmt); local {
				return false
			}
			ts, ok := n.(*ast.TypeSpec)
			if ok && ts.Name.IsExported() && !shown[f.dir+"."+ts.Name.Name] {
				bad = append(bad, f.at(ts, "no Example with output shows "+f.dir+"."+ts.Name.Name))
			}
			return true
		})
	}
	slices.Sort(bad)
	return slices.Compact(bad)
}

var output = regexp.MustCompile(`(?i)^\s*(unordered )?output:`)

func showTypes(f *file, shown map[string]bool) {
	for _, d := range f.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Example") || !hasOutput(f, fn) {
			continue
		}
		named, _, _ := strings.Cut(strings.TrimPrefix(fn.Name.Name, "Example"), "_")
		shown[f.dir+"."+named] = true
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			if n == nil {
				return false
			}
			if id, ok := n.(*ast.Ident); ok {
				shown[f.dir+"."+id.Name] = true
			}
			return true
		})
	}
}

func hasOutput(f *file, fn *ast.FuncDecl) bool {
	for _, g := range f.ast.Comments {
		if fn.Body.Pos() < g.Pos() && g.End() < fn.Body.End() && output.MatchString(g.Text()) {
			return true
		}
	}
	return false
}

// leakless are packages whose tests open and map nothing: what looks for leaks itself,
// or is part of that, and what has no state.
var leakless = []string{"internal/testproc", "internal/archtest", "internal/crashpoint", "internal/race"}

// testsLookForLeaks: after the tests of a package testproc.Main looks for descriptors,
// mappings, names, threads and processes that they left.
func testsLookForLeaks(files []*file) []string {
	looks := make(map[string]bool)
	for _, f := range files {
		if f.isTest() && !slices.Contains(leakless, f.dir) && !strings.Contains(f.dir, "/testdata/") {
			looks[f.dir] = looks[f.dir] || strings.Contains(f.src, "testproc.Main(")
		}
	}
	var bad []string
	for dir, ok := range looks {
		if !ok {
			bad = append(bad, dir+": no test file has a TestMain that calls testproc.Main")
		}
	}
	slices.Sort(bad)
	return bad
}
