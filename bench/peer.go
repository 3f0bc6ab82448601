package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"github.com/shmkit/shmkit/proc"
)

// peerCommand, as the first argument, makes this program one side of a trial;
// the second is the order.
const peerCommand = "__peer"

// order tells a peer process what to do.
type order struct {
	Contender string `json:"contender"`
	Job       string `json:"job"`
	Side      string `json:"side"`   // "a" measures, "b" serves until it is killed
	Number    int    `json:"number"` // of the side: 0 for a, then those of b
	Size      int    `json:"size"`
	CPU       int    `json:"cpu"`   // to bind all threads to, after the start; below zero: none
	Other     int    `json:"other"` // likewise, for a process that this side starts itself
	Name      string `json:"name"`  // of what connects the sides, if that has one
	Timing    timing `json:"timing"`
}

// measure measures run, which does n operations of the job. Round trips are
// timed one by one as well.
func (o *order) measure(run func(n int) error) (*outcome, error) {
	return measure(o.Timing, o.Job == jobLatency || o.Job == jobLoaned, run)
}

// alone says whether the job is one process's.
func (o *order) alone() bool { return sides(o.Job) == 1 }

// bind binds all threads of this process to cpu (below zero: to none). A process that it
// starts afterwards is born with one processor.
func bind(cpu int) error {
	if cpu < 0 {
		return nil
	}
	runtime.GOMAXPROCS(runtime.NumCPU()) // or the runtime would follow the binding within a second
	return pinThreads(cpu)
}

// file returns the i-th descriptor that the parent passed.
func (o *order) file(i int) *os.File { return os.NewFile(uintptr(3+i), fmt.Sprintf("peer file %d", i)) }

// asPeer is the first statement of main: in a process that this program has started
// for a trial it does its work and does not return.
func asPeer() {
	proc.Main()
	switch {
	case len(os.Args) == 2 && os.Args[1] == nothingCommand:
		os.Exit(exitOK)
	case len(os.Args) == 3 && os.Args[1] == peerCommand:
		if err := peerMain(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitFailed)
		}
		os.Exit(exitOK)
	}
}

// peerMain is main in a peer process.
func peerMain(arg string) error {
	var o order
	if err := json.Unmarshal([]byte(arg), &o); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	p, ok := pairs[o.Contender]
	if !ok {
		return fmt.Errorf("no contender is called %q", o.Contender)
	}
	if !p.late || o.Side == "b" {
		if err := bind(o.CPU); err != nil {
			return err
		}
	}
	side := p.a
	if o.Side == "b" {
		side = p.b
	}
	out, err := side(&o)
	if err != nil || out == nil {
		return err
	}
	return writeOutcome(os.Stdout, out)
}
