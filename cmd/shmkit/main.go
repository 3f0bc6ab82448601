package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
)

// Exit codes.
const (
	exitOK = iota
	exitFailed
	exitUsage
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// tool is what all commands have.
type tool struct {
	in       *os.File
	out, err io.Writer
}

// command is one of the tool's.
type command struct {
	name, args, about string
	// prepare declares flags and returns what runs with the arguments after them.
	prepare func(t *tool, f *flag.FlagSet) func(args []string) error
	least   int // arguments that it needs
	most    int // and takes
}

func commands() []command {
	return []command{
		{"ls", "[-a] [-json] [OBJECT...]", "lists what is in /dev/shm, with -a also anonymous objects of running processes, or these objects", prepareLs, 0, math.MaxInt},
		{"stat", "[-json] OBJECT", "says what is in an object: header, locks and who holds them, rings, calls, values", prepareStat, 1, 1},
		{"top", "[-once] [-s COLUMN] [-d SECONDS] [OBJECT...]", "shows what goes through rings and who holds what, again and again", prepareTop, 0, math.MaxInt},
		{"dump", "[-o OFFSET] [-n BYTES] OBJECT", "prints an object's bytes, with what they mean", prepareDump, 1, 1},
		{"sweep", "[-n] [NAME...]", "removes what has an owner rule and is used by nobody any more: all of it, or those of that name", prepareSweep, 0, math.MaxInt},
		{"doctor", "[-json]", "says what this machine offers for shared memory, and what it lacks", prepareDoctor, 0, 0},
	}
}

var errUsage = errors.New("wrong command line")

// run is the tool with these arguments.
func run(args []string, in *os.File, out, errs io.Writer) int {
	t := &tool{in: in, out: out, err: errs}
	if len(args) == 0 {
		t.usage(errs)
		return exitUsage
	}
	name := args[0]
	if name == "help" || name == "-h" || name == "-help" || name == "--help" {
		if len(args) == 2 {
			return run([]string{args[1], "-h"}, in, out, errs)
		}
		t.usage(out)
		return exitOK
	}
	for _, c := range commands() {
		if c.name == name {
			return t.run(c, args[1:])
		}
	}
	fmt.Fprintf(errs, "shmkit: there is no command %q; shmkit help lists all\n", name)
	return exitUsage
}

func (t *tool) run(c command, args []string) int {
	f := flag.NewFlagSet(c.name, flag.ContinueOnError)
	f.SetOutput(io.Discard) // what it would say comes below
	do := c.prepare(t, f)
	args, err := parse(f, args)
	if errors.Is(err, flag.ErrHelp) {
		t.help(t.out, c, f)
		return exitOK
	}
	if err == nil && (len(args) < c.least || len(args) > c.most) {
		err = fmt.Errorf("%w: %d arguments", errUsage, len(args))
	}
	if err != nil {
		fmt.Fprintf(t.err, "shmkit %s: %v\n", c.name, err)
		t.help(t.err, c, f)
		return exitUsage
	}
	if err := do(args); err != nil {
		if !errors.Is(err, errSaid) {
			fmt.Fprintf(t.err, "shmkit %s: %v\n", c.name, err)
		}
		if errors.Is(err, errUsage) {
			return exitUsage
		}
		return exitFailed
	}
	return exitOK
}

// parse lets flags stand behind arguments too, but not behind "--".
func parse(f *flag.FlagSet, args []string) (rest []string, err error) {
	for len(args) > 0 {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		left := f.Args()
		if n := len(args) - len(left); n > 0 && args[n-1] == "--" || len(left) == 0 {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
	return rest, nil
}

// errSaid fails a command that has said why.
var errSaid = errors.New("said already")

func (t *tool) usage(w io.Writer) {
	fmt.Fprint(w, "shmkit shows what is in shared memory, and removes what nobody uses.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  shmkit %s %s\n      %s\n", c.name, c.args, c.about)
	}
	fmt.Fprint(w, `
An OBJECT is a name in /dev/shm, or PID:FD for an anonymous object of a running process.
All but sweep only read. Exit codes: 0; 1 if something failed or is missing; 2 for a wrong
command line. shmkit COMMAND -h tells more.
`)
}

func (t *tool) help(w io.Writer, c command, f *flag.FlagSet) {
	fmt.Fprintf(w, "shmkit %s %s\n  %s.\n", c.name, c.args, c.about)
	f.SetOutput(w)
	f.PrintDefaults()
	f.SetOutput(io.Discard)
}
