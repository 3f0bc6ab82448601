package proc_test

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// A child that does nothing, from Start to the end of Wait, and in turns with it
// the same program as a child of os/exec, which exits where the other calls Main.
func BenchmarkStartWait(b *testing.B) {
	var ours, theirs []time.Duration
	for b.Loop() {
		begin := time.Now()
		p, err := refuse.Start(b.Context(), "ok", nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), envProgram+"=exits at once")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		ours, theirs = append(ours, middle.Sub(begin)), append(theirs, time.Since(middle))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	median := len(ours) / 2
	b.ReportMetric(0, "ns/op") // of both
	b.ReportMetric(float64(ours[median].Microseconds()), "start-µs")
	b.ReportMetric(float64(theirs[median].Microseconds()), "exec-µs")
	b.ReportMetric(float64(ours[median])/float64(theirs[median]), "start/exec")
}
