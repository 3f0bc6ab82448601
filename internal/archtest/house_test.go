package archtest

import (
	"path"
	"strings"
)

// floors are the packages of the root module from the lowest to the highest.
// A package imports from lower floors only. ARCHITECTURE.md draws the same
// house.
var floors = [][]string{
	{"internal/mem", "internal/race", "internal/crashpoint", "internal/plain", "internal/codec"},
	{"internal/wireerr"},
	{"internal/futex"},
	{"internal/robust"},
	{"internal/shmfile"},
	{"internal/handle", "internal/describe"},
	{"semaphore"},
	{"shm"},
	{"ringbuf"},
	{"proc"},
	{"proc/pool", "proc/manager", "proc/conn"},
	{"cmd/shmkit"},
}

// forTests are packages that only tests import.
var forTests = []string{"internal/testproc", "internal/archtest", "internal/explore", "internal/conformance"}

// dependencies are the modules besides the standard library, with the reason
// in ARCHITECTURE.md; testify is for tests.
var dependencies = []string{
	"golang.org/x/sys",
	"golang.org/x/term",
	"github.com/edsrzf/mmap-go",
	"github.com/fxamacker/cbor/v2",
	"github.com/stretchr/testify",
}

// floor returns the height of a package, -1 if it has no place.
func floor(dir string) int {
	for i, f := range floors {
		for _, p := range f {
			if p == dir {
				return i
			}
		}
	}
	return -1
}

func isForTests(dir string) bool {
	for _, p := range forTests {
		if dir == p {
			return true
		}
	}
	return false
}

func isExample(dir string) bool { return strings.HasPrefix(dir, "examples/") }

// isPublic says whether users import the package.
func isPublic(dir string) bool {
	return floor(dir) >= 0 && !strings.HasPrefix(dir, "internal/") && !strings.HasPrefix(dir, "cmd/")
}

// importsPointDown checks the imports of one file of the root module.
func importsPointDown(f *file) []string {
	if f.inBench() {
		return nil
	}
	here := floor(f.dir)
	var bad []string
	if here < 0 && !isExample(f.dir) && !isForTests(f.dir) {
		bad = append(bad, f.path+": the package has no place in the house")
	}
	for _, spec := range f.ast.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		to, ours := strings.CutPrefix(p, module+"/")
		switch {
		case !ours:
		case to == "bench" || strings.HasPrefix(to, "bench/"):
			bad = append(bad, f.at(spec, "imports the bench module"))
		case f.isTest():
		case isForTests(to):
			bad = append(bad, f.at(spec, "imports "+to+", which is for tests"))
		case here >= 0 && floor(to) >= here:
			bad = append(bad, f.at(spec, f.dir+" imports "+to+", which is not below it"))
		}
	}
	return bad
}

// dependsOnLittle checks that a file of the root module imports nothing but the
// standard library and the listed modules.
func dependsOnLittle(f *file) []string {
	if f.inBench() {
		return nil
	}
	var bad []string
	for _, spec := range f.ast.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		first, _, _ := strings.Cut(p, "/")
		if !strings.Contains(first, ".") || p == module || strings.HasPrefix(p, module+"/") {
			continue
		}
		known := false
		for _, d := range dependencies {
			known = known || p == d || strings.HasPrefix(p, d+"/")
		}
		switch {
		case !known:
			bad = append(bad, f.at(spec, "imports "+p+", which is not among the dependencies"))
		case strings.HasPrefix(p, "github.com/stretchr/testify") && (!f.isTest() || path.Base(p) != "require"):
			bad = append(bad, f.at(spec, "imports "+p+"; testify/require is for tests"))
		}
	}
	return bad
}
