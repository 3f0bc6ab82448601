package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/proc"
)

func main() {
	proc.Main() // a worker process begins here, and ends here
	err := run(context.Background(), os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// settings are the command's flags.
type settings struct {
	dir     string
	workers int
	repeat  int
	verify  bool
	kill    bool
}

func parse(args []string) (s settings, err error) {
	fs := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	fs.StringVar(&s.dir, "dir", "", "directory `tree` to read (default the Go installation's sources)")
	fs.IntVar(&s.workers, "workers", max(2, runtime.NumCPU()), "number of workers")
	fs.IntVar(&s.repeat, "repeat", 3, "how often to do it each way")
	fs.BoolVar(&s.verify, "verify", false, "compare the result of every single file with one computed here")
	fs.BoolVar(&s.kill, "kill", false, "kill a worker process in the middle of each run")
	if err := fs.Parse(args); err != nil {
		return s, err
	}
	switch {
	case fs.NArg() > 0:
		return s, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case s.workers < 1 || s.repeat < 1:
		return s, errors.New("-workers and -repeat must be at least 1")
	case s.kill && s.workers < 2:
		return s, errors.New("-kill needs at least 2 workers: another one has to do the work")
	}
	return s, nil
}

// A way does the whole job once, in its own fashion.
type way struct {
	name string
	do   func(context.Context, *job) error
}

var ways = []way{
	{"one process", local},
	{"pipes", pipes},
	{"rings", rings},
}

func run(ctx context.Context, args []string, out io.Writer) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	dir, err := sourceDir(s.dir)
	if err != nil {
		return err
	}
	began := time.Now()
	files, err := readTree(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "read %d files from %s in %.1f s\n", len(files), dir, time.Since(began).Seconds())

	r := newReport(out, s, len(files))
	for range s.repeat {
		for _, hash := range []bool{true, false} {
			for _, w := range ways {
				if err := r.measure(ctx, w, files, hash); err != nil {
					return fmt.Errorf("%s: %w", w.name, err)
				}
			}
		}
	}
	r.print()
	return nil
}
