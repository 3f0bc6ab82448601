package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
)

// rig is what trials need of this process: it starts children, knows the
// machine and the C programs, and leaves nothing behind.
type rig struct {
	self   string            // this program
	dir    string            // temporary, ours
	built  map[string]string // C baselines by name
	noC    string            // why there are none
	strace string            // "" if there is none
	python string            // likewise
	cpus   []int
	places []placement
	starts chan func()
}

func newRig(ctx context.Context) (*rig, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cpus, err := allowedCPUs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "shmkit-bench-")
	if err != nil {
		return nil, err
	}
	r := &rig{self: self, dir: dir, cpus: cpus, places: placements(cpus, siblings), starts: make(chan func())}
	r.strace, _ = exec.LookPath("strace")
	r.python, _ = exec.LookPath("python3")
	r.built, err = buildBaselines(ctx, filepath.Join(dir, "baseline"))
	if err != nil {
		r.noC = err.Error()
	}
	go r.starter()
	return r, nil
}

func (r *rig) close() {
	close(r.starts)
	_ = os.RemoveAll(r.dir)
}

// starter runs on one thread from beginning to end: it is bound to a
// processor while a child is started, which inherits that; and a child that
// asks to die with its parent dies with the thread that started it.
func (r *rig) starter() {
	runtime.LockOSThread()
	for start := range r.starts {
		start()
	}
}

// start starts cmd bound to cpu (below zero: to none).
func (r *rig) start(cmd *exec.Cmd, cpu int) error {
	dieWithParent(cmd)
	done := make(chan error)
	r.starts <- func() { done <- onCPU(cpu, cmd.Start) }
	return <-done
}

// place returns the placement of that name, and whether this machine has it.
func (r *rig) place(name string) (placement, bool) {
	i := slices.IndexFunc(r.places, func(p placement) bool { return p.name == name })
	if i < 0 {
		return placement{}, false
	}
	return r.places[i], true
}
