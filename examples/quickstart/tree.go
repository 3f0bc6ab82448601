package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sourceDir returns the directory to read, with symbolic links resolved: those
// inside the tree are not followed, but the tree itself may be one.
func sourceDir(dir string) (string, error) {
	if dir == "" {
		root, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return "", fmt.Errorf("ask go for its sources (or give -dir): %w", err)
		}
		dir = filepath.Join(strings.TrimSpace(string(root)), "src")
	}
	return filepath.EvalSymlinks(dir)
}

// readTree reads every regular file under dir into memory.
func readTree(dir string) (files [][]byte, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files = append(files, data)
		return nil
	})
	if err == nil && len(files) == 0 {
		err = errors.New("no regular files in " + dir)
	}
	return files, err
}
