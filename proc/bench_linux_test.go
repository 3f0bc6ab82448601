package proc_test

import (
	"testing"
)

// A child that does nothing, from Start to the end of Wait.
func BenchmarkStartWait(b *testing.B) {
	for b.Loop() {
		p, err := refuse.Start(b.Context(), "ok", nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
