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
type inC struct{ program string }

func (c inC) missing(r *rig) string { return r.noC }

func (c inC) run(ctx context.Context, r *rig, t trial) (*outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, watchdog)
	defer cancel()
	capacity := ringBytes
	if c.program == "spsc" {
		capacity = ringSlots
	}
	args := []string{t.job}
	for _, n := range []int{t.size, t.place.cpuA, t.place.cpuB, int(t.timing.Warm.Milliseconds()),
		int(t.timing.Run.Milliseconds()), t.timing.Samples, capacity} {
		args = append(args, strconv.Itoa(n))
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, r.built[c.program], args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := r.start(cmd, -1); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("run the C program %s: %w: %s", c.program, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return readOutcome(&stdout)
}
