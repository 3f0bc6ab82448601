package main

import (
	"context"
	"os"
	"os/exec"

	"github.com/shmkit/shmkit/proc"
)

// nothingCommand, as the only argument, makes this program end at once.
const nothingCommand = "__nothing"

var nothing = proc.Register("nothing", func(context.Context, struct{}) error { return nil })

// startsOf is the contender's side that starts processes of this program, which do
// nothing.
func startsOf(start func() error) func(o *order) (*outcome, error) {
	return func(o *order) (*outcome, error) {
		return o.measure(func(n int) error {
			for range n {
				if err := start(); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func startFunc() error {
	p, err := nothing.Start(context.Background(), struct{}{}, nil)
	if err != nil {
		return err
	}
	return p.Wait(context.Background())
}

func startCommand() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return exec.Command(self, nothingCommand).Run()
}
