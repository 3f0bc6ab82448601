package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// The measured side of a trial, in Go or in C, prints its outcome in lines:
// "sample NS" for each sample, "result OPS NS", and "NAME NUMBER" for extras.

func writeOutcome(w io.Writer, o *outcome) error {
	b := bufio.NewWriter(w)
	for _, s := range o.samples {
		fmt.Fprintf(b, "sample %.3f\n", s)
	}
	fmt.Fprintf(b, "result %d %d\n", o.ops, o.elapsed.Nanoseconds())
	for k, v := range o.extra {
		fmt.Fprintf(b, "%s %g\n", k, v)
	}
	return b.Flush()
}

func readOutcome(r io.Reader) (*outcome, error) {
	o := &outcome{extra: map[string]float64{}}
	in := bufio.NewScanner(r)
	for in.Scan() {
		name, rest, _ := strings.Cut(in.Text(), " ")
		if name == "result" {
			if _, err := fmt.Sscanf(rest, "%d %d", &o.ops, (*int64)(&o.elapsed)); err != nil {
				return nil, fmt.Errorf("read the line %q: %w", in.Text(), err)
			}
			continue
		}
		v, err := strconv.ParseFloat(rest, 64)
		if err != nil {
			return nil, fmt.Errorf("read the line %q: %w", in.Text(), err)
		}
		if name == "sample" {
			o.samples = append(o.samples, v)
		} else {
			o.extra[name] = v
		}
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	if o.ops <= 0 || o.elapsed <= time.Duration(0) {
		return nil, fmt.Errorf("the measured side printed no result")
	}
	return o, nil
}
