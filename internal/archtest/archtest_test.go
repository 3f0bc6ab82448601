package archtest

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// perFile are the rules for single files, each with a source that breaks it.
var perFile = map[string]struct {
	rule    func(*file) []string
	breaker [2]string // path, source
}{
	"imports point down": {importsPointDown,
		[2]string{"shm/x.go", `package shm; import _ "github.com/shmkit/shmkit/ringbuf"`}},
	"siblings do not import each other": {importsPointDown,
		[2]string{"proc/pool/x.go", `package pool; import _ "github.com/shmkit/shmkit/proc/conn"`}},
	"every package has a place": {importsPointDown,
		[2]string{"attic/x.go", `package attic`}},
	"nobody imports the bench module": {importsPointDown,
		[2]string{"shm/x_test.go", `package shm; import _ "github.com/shmkit/shmkit/bench/rig"`}},
	"helpers of tests are for tests": {importsPointDown,
		[2]string{"shm/x.go", `package shm; import _ "github.com/shmkit/shmkit/internal/testproc"`}},
	"dependencies are few": {dependsOnLittle,
		[2]string{"shm/x.go", `package shm; import _ "example.com/leftpad"`}},
	"testify is for tests": {dependsOnLittle,
		[2]string{"shm/x.go", `package shm; import _ "github.com/stretchr/testify/require"`}},
	"of testify only require": {dependsOnLittle,
		[2]string{"shm/x_test.go", `package shm; import _ "github.com/stretchr/testify/assert"`}},
	"unsafe is named": {unsafeIsNamed,
		[2]string{"shm/x.go", `package shm; import _ "unsafe"`}},
	"atomics are typed": {atomicsAreTyped,
		[2]string{"shm/x.go", `package shm; import "sync/atomic"; func f(p *uint32) { atomic.StoreUint32(p, 1) }`}},
	"no init": {noInit,
		[2]string{"shm/x.go", `package shm; func init() {}`}},
	"sleeps say why": {sleepsSayWhy,
		[2]string{"shm/x_test.go", `package shm; import "time"; func f() { time.Sleep(1) }`}},
	"nothing unfinished": {nothingUnfinished,
		[2]string{"shm/x.go", "package shm // TO" + "DO: all"}},
}

func TestFiles(t *testing.T) {
	files := tree(t)
	for name, r := range perFile {
		t.Run(name, func(t *testing.T) {
			broken, err := parse(r.breaker[0], r.breaker[1])
			require.NoError(t, err)
			require.Len(t, r.rule(broken), 1, "the rule does not see its breaker")
			var bad []string
			for _, f := range files {
				bad = append(bad, r.rule(f)...)
			}
			require.Empty(t, bad, strings.Join(bad, "\n"))
		})
	}
}

// perTree are the rules for all files together, each with a tree that keeps the
// rule and one that breaks it.
var perTree = map[string]struct {
	rule          func([]*file) []string
	keeps, breaks map[string]string
}{
	"packages are documented": {packagesAreDocumented,
		map[string]string{"shm/doc.go": "// Package shm is.\npackage shm", "shm/x.go": "package shm"},
		map[string]string{"shm/doc.go": "package shm", "shm/x_test.go": "// Package shm is.\npackage shm"},
	},
	"the package comment is in doc.go": {packagesAreDocumented,
		map[string]string{"shm/doc.go": "// Package shm is.\npackage shm"},
		map[string]string{"shm/doc.go": "// Package shm is.\npackage shm", "shm/x.go": "// Package shm is.\npackage shm"},
	},
	"tests look for leaks": {testsLookForLeaks,
		map[string]string{
			"shm/a_test.go": "package shm; func TestMain(m *testing.M) { testproc.Main(m) }", "shm/b_test.go": "package shm_test",
			"internal/race/x_test.go": "package race",
		},
		map[string]string{"shm/a_test.go": "package shm; func TestMain(m *testing.M) { m.Run() }", "ringbuf/x.go": "package ringbuf"},
	},
	"types have examples": {typesHaveExamples,
		map[string]string{
			"shm/x.go": "package shm; type A int; type B[T any] int; type c int",
			"shm/x_test.go": `package shm_test; import "github.com/shmkit/shmkit/shm"
				func ExampleA_twice() {
					_ = shm.B[int](0)
					// Output:
				}`,
		},
		map[string]string{
			"shm/x.go": "package shm; type A int",
			"shm/x_test.go": `package shm_test
				func ExampleA() {
				}`,
		},
	},
}

func TestTree(t *testing.T) {
	files := tree(t)
	for name, r := range perTree {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, r.rule(sources(t, r.keeps)))
			require.Len(t, r.rule(sources(t, r.breaks)), 1, "the rule does not see its breaker")
			bad := r.rule(files)
			require.Empty(t, bad, strings.Join(bad, "\n"))
		})
	}
}

func sources(t *testing.T, m map[string]string) []*file {
	var files []*file
	for name, src := range m {
		f, err := parse(name, src)
		require.NoError(t, err)
		files = append(files, f)
	}
	return files
}

// TestGoMod holds the direct requirements of the root module to the list.
func TestGoMod(t *testing.T) {
	mod, err := os.ReadFile(root + "/go.mod")
	require.NoError(t, err)
	var direct []string
	for _, m := range regexp.MustCompile(`(?m)^\s*(?:require )?(\S+\.\S+/\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) {
		direct = append(direct, m[1])
	}
	require.NotEmpty(t, direct)
	require.Subset(t, dependencies, direct)
	require.NotContains(t, string(mod), "replace")
}
