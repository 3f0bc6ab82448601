package testproc

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Pythons is NeedTool for all Python 3 there are, each once: those that
// SHMKIT_PYTHONS lists, separated by spaces, or else python3 and python3.N in PATH.
func Pythons(t testing.TB) []string {
	t.Helper()
	candidates := strings.Fields(os.Getenv("SHMKIT_PYTHONS"))
	if len(candidates) == 0 {
		candidates = append(candidates, "python3")
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			more, _ := filepath.Glob(filepath.Join(dir, "python3.*")) // the pattern is sound
			for _, p := range more {
				if minor := strings.TrimPrefix(filepath.Base(p), "python3."); strings.Trim(minor, "0123456789") == "" {
					candidates = append(candidates, p)
				}
			}
		}
	}
	var found []string
	seen := make(map[string]bool)
	for _, c := range candidates {
		path, err := exec.LookPath(c)
		if err != nil {
			continue
		}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		// Some are only names for what is not installed.
		if !seen[path] && exec.Command(path, "-c", "import multiprocessing.shared_memory").Run() == nil {
			seen[path] = true
			found = append(found, path)
		}
	}
	Need(t, "the program python3", len(found) > 0)
	return found
}
