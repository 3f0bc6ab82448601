package main

import (
	"context"
	_ "embed"
	"os"
	"path/filepath"
)

var (
	//go:embed baseline/measure.py
	pythonMeasure string
	//go:embed baseline/lock.py
	pythonLock string
	//go:embed baseline/processes.py
	pythonProcesses string
	//go:embed baseline/manager.py
	pythonManager string
	//go:embed baseline/pool.py
	pythonPool string
)

// inPython is a program in Python, in one of its modes.
type inPython struct {
	program *string
	mode    string
}

func (c inPython) missing(r *rig) string {
	if r.python == "" {
		return "there is no python3 on this machine"
	}
	return ""
}

func (c inPython) run(ctx context.Context, r *rig, t trial) (*outcome, error) {
	// A file: the start method spawn reads the program again.
	file := filepath.Join(r.dir, "baseline.py")
	if err := os.WriteFile(file, []byte(pythonMeasure+"\n\n"+*c.program), 0o600); err != nil {
		return nil, err
	}
	args := append([]string{"-I", file}, t.arguments(c.mode, 0)...)
	return runForeign(ctx, r, "Python", r.python, args)
}
