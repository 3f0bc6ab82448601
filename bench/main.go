package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1 // a contender failed, or a target was missed
	exitUsage       = 2
	exitInterrupted = 130
)

// flags are what the command line asks for.
type flags struct {
	suites                     []suite
	quick, json, list, targets bool
	out                        string
}

func parseFlags(args []string, stderr io.Writer) (*flags, error) {
	f := &flags{}
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(stderr)
	names := set.String("suite", "", "run only these suites, `NAME[,…]`")
	set.BoolVar(&f.quick, "quick", false, "short rounds: all suites in less than a minute")
	set.BoolVar(&f.json, "json", false, "print JSON instead of tables")
	set.StringVar(&f.out, "out", "", "also write bench.txt, bench.json and machine.json to `DIR`")
	set.BoolVar(&f.list, "list", false, "list the suites and their contenders")
	set.BoolVar(&f.targets, "targets", false, "measure only what the speed targets speak of, print the verdicts, exit 1 when one is missed")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	if *names == "" {
		f.suites = suites
		return f, nil
	}
	for name := range strings.SplitSeq(*names, ",") {
		s, ok := findSuite(strings.TrimSpace(name))
		if !ok {
			return nil, fmt.Errorf("no suite is called %q (see -list)", name)
		}
		f.suites = append(f.suites, s)
	}
	return f, nil
}

func findSuite(name string) (suite, bool) {
	for _, s := range suites {
		if s.name == name {
			return s, true
		}
	}
	return suite{}, false
}

func (f *flags) effort() effort {
	if f.quick {
		return effort{5, timing{Warm: 10 * time.Millisecond, Run: 20 * time.Millisecond, Samples: 5000}}
	}
	return effort{15, timing{Warm: 50 * time.Millisecond, Run: 200 * time.Millisecond, Samples: 20000}}
}

func main() {
	asPeer()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitUsage
	}
	if f.list {
		list(stdout, f.suites)
		return exitOK
	}
	code, err := f.run(ctx, f.effort(), stdout, stderr)
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "bench: interrupted")
		return exitInterrupted
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	return code
}

// run measures and reports.
func (f *flags) run(ctx context.Context, e effort, stdout, stderr io.Writer) (int, error) {
	r, err := newRig(ctx)
	if err != nil {
		return exitFailed, err
	}
	defer r.close()
	if r.noC != "" {
		fmt.Fprintln(stderr, "bench: no C baselines:", r.noC)
	}
	var scenes []scene
	for _, s := range f.suites {
		scenes = append(scenes, s.scenes()...)
	}
	if f.targets {
		scenes = needed(scenes)
	}
	progress := io.Discard
	if isTerminal(stderr) {
		progress = stderr
	}
	code := exitOK
	var all []*played
	for _, sc := range scenes {
		p, err := play(ctx, r, sc, e, progress)
		if err != nil {
			return exitFailed, err
		}
		if p == nil {
			fmt.Fprintf(stderr, "bench: skipped: %s, %s: this machine has one processor\n", sc.suite, sc.name)
			continue
		}
		for _, s := range p.series {
			if s.err != nil {
				code = exitFailed
				fmt.Fprintf(stderr, "bench: %s, %s, %s: %v\n", sc.suite, sc.name, s.label, s.err)
			}
		}
		all = append(all, p)
	}
	m := describe(r.cpus)
	misses, err := f.report(stdout, m, all)
	if err == nil && f.out != "" {
		err = f.save(m, all)
	}
	if misses > 0 {
		code = exitFailed
	}
	return code, err
}
