package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// report prints what was asked for, and returns how many targets were missed.
func (f *flags) report(w io.Writer, m machine, all []*played) (misses int, err error) {
	switch {
	case f.json:
		if f.targets {
			misses, _ = writeTargets(io.Discard, all)
		}
		return misses, writeJSON(w, allRecords(all))
	case f.targets:
		fmt.Fprintln(w, m)
		return writeTargets(w, all)
	}
	return 0, writeTables(w, m, all)
}

func allRecords(all []*played) []record {
	var records []record
	for _, p := range all {
		records = append(records, p.records()...)
	}
	return records
}

// save writes the results into f.out.
func (f *flags) save(m machine, all []*played) error {
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return err
	}
	write := func(name string, to func(w io.Writer) error) error {
		file, err := os.Create(filepath.Join(f.out, name))
		if err != nil {
			return err
		}
		return errors.Join(to(file), file.Close())
	}
	return errors.Join(
		write("bench.json", func(w io.Writer) error { return writeJSON(w, allRecords(all)) }),
		write("machine.json", func(w io.Writer) error { return writeIndented(w, m) }),
		write("bench.txt", func(w io.Writer) error {
			if err := writeTables(w, m, all); err != nil || !f.targets {
				return err
			}
			fmt.Fprintln(w)
			_, err := writeTargets(w, all)
			return err
		}),
	)
}

func list(w io.Writer, suites []suite) {
	for _, s := range suites {
		fmt.Fprintf(w, "%s: %s\n", s.name, s.about)
		for _, sc := range s.scenes() {
			fmt.Fprintf(w, "  %s", sc.name)
			if sc.size > 0 {
				fmt.Fprintf(w, ", %s", bytesText(sc.size))
			}
			for i, e := range sc.entries {
				fmt.Fprintf(w, "%s%s", map[bool]string{true: ": ", false: ", "}[i == 0], e.label)
			}
			fmt.Fprintln(w)
		}
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
