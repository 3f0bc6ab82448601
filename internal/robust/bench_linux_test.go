//go:build !explore

package robust

import "testing"

// The two geometries that issue 2 asks to compare: the node in a private shadow
// of the cell, linked once, and the node inside the cell, linked at each use.
func BenchmarkShadowNode(b *testing.B) { benchmarkNode(b, "near") }
func BenchmarkInCellNode(b *testing.B) { benchmarkNode(b, "foreign") }

func benchmarkNode(b *testing.B, geometry string) {
	b.Run("one", func(b *testing.B) {
		a, _ := newArea(b, 4096, geometry)
		c := a.cell(0)
		for b.Loop() {
			if c.Take(0, 0) != nil || !c.Release() {
				b.Fatal("cell is lost")
			}
		}
	})
	// Two goroutines, each with a cell of its own on lines of its own.
	b.Run("two", func(b *testing.B) {
		a, _ := newArea(b, 4096, geometry)
		next := make(chan int, 64)
		for i := range 32 {
			next <- 2 * i
		}
		b.RunParallel(func(pb *testing.PB) {
			c := a.cell(<-next)
			for pb.Next() {
				if c.Take(0, 0) != nil || !c.Release() {
					b.Error("cell is lost")
					return
				}
			}
		})
	})
}
