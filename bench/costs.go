package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// costOps is how many operations are watched for what they cost besides time.
const costOps = 200_000

// countCosts runs one process's operations. For allocations it counts them,
// as testing.AllocsPerRun does; for system calls it only runs, under strace.
func countCosts(o *order, run func(n int) error) (*outcome, error) {
	if err := run(1000); err != nil {
		return nil, err
	}
	if o.Job == jobAllocations {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	t0 := time.Now()
	if err := run(costOps); err != nil {
		return nil, err
	}
	elapsed := time.Since(t0)
	runtime.ReadMemStats(&after)
	return &outcome{ops: costOps, elapsed: elapsed,
		extra: map[string]float64{jobAllocations: float64(after.Mallocs-before.Mallocs) / costOps}}, nil
}

func extraMetric(key, name, unit string) metric {
	return metric{name: name, unit: unit, of: func(o *outcome) float64 { return o.extra[key] }}
}

// straced runs a contender's operations in one process under strace and
// counts every system call of it, from its start to its end: a few hundred,
// whatever it does then.
type straced struct{ *pair }

func (s straced) missing(r *rig) string {
	if r.strace == "" {
		return "there is no strace on this machine"
	}
	return ""
}

func (s straced) run(ctx context.Context, r *rig, t trial) (*outcome, error) {
	ctx, stop := context.WithTimeout(ctx, watchdog)
	defer stop()
	log := filepath.Join(r.dir, "strace")
	p := *s.pair
	p.b = nil
	p.wrap = func(cmd *exec.Cmd) {
		cmd.Args = append([]string{r.strace, "-f", "-qq", "-o", log}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
		cmd.Path = r.strace
	}
	o, err := p.run(ctx, r, t)
	if err != nil {
		return nil, err
	}
	calls, err := os.ReadFile(log)
	if err != nil {
		return nil, fmt.Errorf("read what strace saw: %w", err)
	}
	o.extra[jobSystemCalls] = float64(bytes.Count(calls, []byte{'\n'})) / float64(o.ops)
	return o, nil
}
