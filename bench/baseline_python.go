package main

import (
	"context"
	_ "embed"
)

//go:embed baseline/lock.py
var pythonLock string

// inPython is Python's multiprocessing.Lock, used in this way (see lock.py).
type inPython struct{ way string }

func (c inPython) missing(r *rig) string {
	if r.python == "" {
		return "there is no python3 on this machine"
	}
	return ""
}

func (c inPython) run(ctx context.Context, r *rig, t trial) (*outcome, error) {
	args := t.arguments(c.way, 0)
	return runForeign(ctx, r, "Python", r.python, append([]string{"-I", "-c", pythonLock}, args...))
}
