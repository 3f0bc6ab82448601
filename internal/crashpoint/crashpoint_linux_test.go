//go:build crashpoints

package crashpoint

import "testing"

func TestArm(t *testing.T) {
	for _, bad := range []string{"a:0", "a:x", "a:1:halt", "a:1:stop:"} {
		if (&points{}).arm(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
