package testproc

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Lines returns all lines that the child writes from here on. It waits for its
// end, which has to be with status 0.
func (p *Proc) Lines() []string {
	p.t.Helper()
	var lines []string
	for {
		line, ok := p.NextLine()
		if !ok {
			p.Succeed()
			return lines
		}
		lines = append(lines, line)
	}
}

// Python runs a program in Python and returns the lines that it writes. It has
// to end with status 0.
func Python(t testing.TB, path string) []string {
	t.Helper()
	python := NeedTool(t, "python3")
	ctx, cancel := context.WithTimeout(t.Context(), Watchdog)
	defer cancel()
	// -B: no files beside the program. -E: not as the environment says, where
	// PYTHONUNBUFFERED would let a line be written in pieces.
	cmd := exec.CommandContext(ctx, python, "-B", "-E", path)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	cmd.WaitDelay = time.Second // for what the program may leave behind with our pipe
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", path, err, out, complaints.String())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// Quotes checks that a page in Markdown shows each of the files as it is, in a
// block of its own, so that what people read is what the tests run.
func Quotes(t testing.TB, page string, files ...string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		language := map[string]string{".go": "go", ".py": "python"}[filepath.Ext(name)]
		if !strings.Contains(string(text), fmt.Sprintf("```%s\n%s```\n", language, source)) {
			t.Errorf("%s does not show %s as it is", page, name)
		}
	}
}
