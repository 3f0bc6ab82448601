package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed baseline/*.c baseline/*.h
var baselineSource embed.FS

var errNoCompiler = errors.New("there is no C compiler (cc) on this machine")

// buildBaselines compiles every C program into dir and returns them by name.
func buildBaselines(ctx context.Context, dir string) (map[string]string, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return nil, errNoCompiler
	}
	sources, err := fs.Sub(baselineSource, "baseline")
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(dir, sources); err != nil {
		return nil, fmt.Errorf("write the C sources: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.c"))
	if err != nil {
		return nil, err
	}
	built := map[string]string{}
	for _, file := range files {
		program := strings.TrimSuffix(file, ".c")
		cmd := exec.CommandContext(ctx, cc, "-O2", "-pthread", "-o", program, file)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("compile %s: %w\n%s", filepath.Base(file), err, out)
		}
		built[filepath.Base(program)] = program
	}
	return built, nil
}

// inC is a contender in C: both sides in one program, which forks.
type inC struct {
	program string
	mode    string // "": the job
}

func (c inC) missing(r *rig) string { return r.noC }

func (c inC) run(ctx context.Context, r *rig, t trial) (*outcome, error) {
	capacity := ringBytes
	if c.program == "spsc" || c.program == "vyukov" {
		capacity = ringSlots
	}
	mode := c.mode
	if mode == "" {
		mode = t.job
	}
	return runForeign(ctx, r, "the C program "+c.program, r.built[c.program], t.arguments(mode, capacity))
}

// arguments are those of baseline.h.
func (t trial) arguments(mode string, capacity int) []string {
	args := []string{mode}
	for _, n := range []int{t.size, t.place.cpuA, t.place.cpuB, int(t.timing.Warm.Milliseconds()),
		int(t.timing.Run.Milliseconds()), t.timing.Samples, capacity} {
		args = append(args, strconv.Itoa(n))
	}
	return args
}

// runForeign runs a program that binds itself and measures as ours do.
func runForeign(ctx context.Context, r *rig, what, program string, args []string) (*outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, watchdog)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := r.start(cmd, -1); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("run %s: %w: %s", what, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return readOutcome(&stdout)
}
