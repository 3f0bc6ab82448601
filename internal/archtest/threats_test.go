package archtest

import (
	"go/ast"
	"os"
	"path"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// testNamed is a test as THREATS.md names it: its package and its function.
var testNamed = regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)\\w+)`")

// The tests that THREATS.md calls as witnesses exist.
func TestThreatsNameTests(t *testing.T) {
	exists := map[string]bool{}
	for _, f := range tree(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.isTest() && fn.Recv == nil {
				exists[f.dir+"."+fn.Name.Name] = true
			}
		}
	}
	page, err := os.ReadFile(path.Join(root, "THREATS.md"))
	require.NoError(t, err)
	named := testNamed.FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(named), 40)
	for _, m := range named {
		require.True(t, exists[m[1]+"."+m[2]], "THREATS.md names %s.%s, which does not exist", m[1], m[2])
	}
}
