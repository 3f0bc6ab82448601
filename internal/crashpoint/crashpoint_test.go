package crashpoint

import "testing"

// What Hit does in a build with live points is tested by testproc's walks.
func TestHitIsFreeByDefault(t *testing.T) {
	if Enabled {
		t.Skip("built with live crash points")
	}
	if n := testing.AllocsPerRun(100, func() { Hit("any") }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
