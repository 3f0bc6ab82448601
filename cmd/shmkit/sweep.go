package main

import (
	"flag"
	"fmt"
	"slices"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/shm"
)

func prepareSweep(t *tool, f *flag.FlagSet) func([]string) error {
	dry := f.Bool("n", false, "remove nothing, say what would be removed")
	return func(names []string) error {
		swept, err := shm.Sweep(&shm.SweepOptions{DryRun: *dry, Match: func(i shm.Info) bool {
			return len(names) == 0 || slices.Contains(names, i.Name)
		}})
		verb, failed := "removed", err != nil
		if *dry {
			verb = "would remove"
		}
		for _, i := range swept {
			if i.Err != nil {
				failed = true
				fmt.Fprintf(t.err, "shmkit sweep: left %s: %s\n", name(i.Name), describe.Plain(i.Err.Error()))
				continue
			}
			fmt.Fprintf(t.out, "%s %s (%s, %s)\n", verb, name(i.Name), i.Kind, describe.Bytes(i.Size))
		}
		if err == nil && failed {
			err = errSaid
		}
		return err
	}
}
