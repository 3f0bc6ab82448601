package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/shmkit/shmkit/examples/bar"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
)

func main() {
	proc.Main()
	from := flag.String("from", "", "directory with pictures; the Go distribution's by default")
	to := flag.String("to", "", "directory for the small ones; a temporary one by default, which is removed")
	side := flag.Int("side", 128, "the longest side of a small one, in pixels")
	workers := flag.Int("workers", runtime.NumCPU(), "number of processes")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *from, *to, *side, *workers); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer, from, to string, side, workers int) error {
	if from == "" {
		root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
		if err != nil {
			return fmt.Errorf("ask go for its pictures (or give -from): %w", err)
		}
		from = filepath.Join(strings.TrimSpace(string(root)), "src", "image")
	}
	if to == "" {
		dir, err := os.MkdirTemp("", "thumbnails")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		to = dir
	}
	orders, err := find(from, to, side)
	if err != nil {
		return err
	}
	p, err := pool.New(workers, nil)
	if err != nil {
		return err
	}
	defer p.Terminate()

	began := time.Now()
	made, bytes := 0, int64(0)
	var failures []string
	for t, err := range shrink.ImapUnordered(ctx, p, slices.Values(orders), &pool.MapOptions{
		Total: len(orders), Progress: bar.On(os.Stderr),
	}) {
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			failures = append(failures, err.Error())
			continue
		}
		made++
		bytes += t.Bytes
	}
	slices.Sort(failures)
	for _, f := range failures {
		fmt.Fprintln(w, "no thumbnail:", f)
	}
	fmt.Fprintf(w, "%d of %d pictures in %v, %d bytes, %d processes\n",
		made, len(orders), time.Since(began).Round(time.Millisecond), bytes, p.Stats().Started)
	p.Close()
	return p.Join(ctx)
}

// find returns an order for each picture below from.
func find(from, to string, side int) (orders []order, err error) {
	from, err = filepath.EvalSymlinks(from)
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".png", ".gif", ".jpg", ".jpeg":
			name, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			orders = append(orders, order{path, filepath.Join(to, name+".png"), side})
		}
		return nil
	})
	if err == nil && len(orders) == 0 {
		err = fmt.Errorf("there are no pictures in %s", from)
	}
	return orders, err
}
