package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/shmkit/shmkit/shm"
)

// A report measures the ways and keeps what was measured.
type report struct {
	settings
	out  io.Writer
	bar  *bar
	took map[measured][]time.Duration
	sums map[bool]Totals // with and without hashing: what the first way found
}

type measured struct {
	way  string
	hash bool
}

func newReport(out io.Writer, s settings, files int) *report {
	return &report{
		settings: s,
		out:      out,
		bar:      newBar(out, s.repeat*2*len(ways)*files),
		took:     make(map[measured][]time.Duration),
		sums:     make(map[bool]Totals),
	}
}

// measure does the job one way and checks what comes out.
func (r *report) measure(ctx context.Context, w way, files [][]byte, hash bool) error {
	results, err := shm.NewArray[Result]("", len(files), nil)
	if err != nil {
		return err
	}
	defer results.Close()
	j := &job{
		files: files, hash: hash, workers: r.workers, kill: r.kill, results: results,
		progress: r.bar.add,
		note:     r.bar.note,
	}
	if err := w.do(ctx, j); err != nil {
		return err
	}
	k := measured{w.name, hash}
	r.took[k] = append(r.took[k], j.took)

	got := sumUp(results.All())
	want, known := r.sums[hash]
	if !known {
		r.sums[hash] = got
	} else if got != want {
		return fmt.Errorf("totals differ: %+v here, %+v with the first way", got, want)
	}
	if r.verify {
		return verify(results.Slice(), files, hash)
	}
	return nil
}

// print shows medians and the totals, on which all ways agree.
func (r *report) print() {
	r.bar.clear()
	t := r.sums[true]
	fmt.Fprintf(r.out, "%d workers, median of %d\n\n", r.workers, r.repeat)
	fmt.Fprintf(r.out, "%-12s  %22s  %22s\n", "", "lines and SHA-256", "lines only")
	fmt.Fprintf(r.out, "%-12s  %10s %11s  %10s %11s\n", "", "MB/s", "files/s", "MB/s", "files/s")
	for _, w := range ways {
		fmt.Fprintf(r.out, "%-12s", w.name)
		for _, hash := range []bool{true, false} {
			took := median(r.took[measured{w.name, hash}]).Seconds()
			fmt.Fprintf(r.out, "  %10.0f %11.0f", float64(t.Bytes)/1e6/took, float64(t.Files)/took)
		}
		fmt.Fprintln(r.out)
	}
	fmt.Fprintf(r.out, "\nall totals agree:\nfiles  %d\nbytes  %d\nlines  %d\nsha256 %x\n", t.Files, t.Bytes, t.Lines, t.Sum)
	if r.verify {
		fmt.Fprintln(r.out, "and so does every single file")
	}
}

func median(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)/2]
}
