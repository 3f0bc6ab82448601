package main

import (
	"flag"
	"fmt"

	"github.com/shmkit/shmkit/internal/describe"
)

// grade says how bad a finding is.
type grade string

const (
	good    grade = "ok"      // as it should be
	note    grade = "note"    // works, but slower, or with limits that may surprise
	missing grade = "missing" // shmkit does not work without
)

// finding is what doctor says about one thing.
type finding struct {
	Check string `json:"check"`
	Grade grade  `json:"grade"`
	Found string `json:"found"`
	Means string `json:"means"`
}

func prepareDoctor(t *tool, f *flag.FlagSet) func([]string) error {
	asJSON := f.Bool("json", false, "print a JSON array")
	return func([]string) error {
		found := examine()
		if *asJSON {
			if err := printJSON(t, found); err != nil {
				return err
			}
		} else {
			tab := table{titles: []string{"", "CHECK", "FOUND", "WHAT IT MEANS"}}
			for _, x := range found {
				tab.add(string(x.Grade), x.Check, describe.Plain(x.Found), x.Means)
			}
			tab.print(t.out)
		}
		var lacks int
		for _, x := range found {
			if x.Grade == missing {
				lacks++
			}
		}
		if lacks > 0 {
			return fmt.Errorf("%d of what shmkit needs is missing", lacks)
		}
		return nil
	}
}
