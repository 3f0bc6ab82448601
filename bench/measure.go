package main

import (
	"math"
	"time"
)

// timing says how long one trial lasts.
type timing struct {
	Warm    time.Duration `json:"warm"`
	Run     time.Duration `json:"run"`
	Samples int           `json:"samples"` // at most so many go into the percentiles
}

// outcome is what one trial measured.
type outcome struct {
	ops     int64
	elapsed time.Duration
	samples []float64          // ns an operation, each of one operation or of one chunk
	extra   map[string]float64 // further figures by name
}

func (o *outcome) nsPerOp() float64 { return float64(o.elapsed) / float64(o.ops) }

// typical is the extra figure that measure leaves: nanoseconds an operation in
// the median chunk. Unlike the mean it does not contain the time slices in
// which a stranger ran.
const typical = "typical"

// The clock is left alone for a chunk of operations: reading it costs as much
// as a fast one. Round trips take short chunks; in the long ones of streams and
// locks the short stalls of each are averaged.
const (
	shortChunk = 50 * time.Microsecond
	longChunk  = time.Millisecond
)

// measure runs warm-up, then chunks of operations for t.Run. Its samples are
// the means of the chunks, or with singles, single operations timed
// afterwards (each then includes one reading of the clock). baseline.h does
// the same in C.
func measure(t timing, singles bool, run func(n int) error) (*outcome, error) {
	chunk := longChunk
	if singles {
		chunk = shortChunk
	}
	if err := run(1); err != nil { // waits for the other side to be there
		return nil, err
	}
	n, best := 1, math.Inf(1) // ns an operation in the fastest chunk
	for end := time.Now().Add(t.Warm); ; {
		t0 := time.Now()
		if err := run(n); err != nil {
			return nil, err
		}
		t1 := time.Now()
		d := t1.Sub(t0)
		if d >= chunk/4 {
			best = min(best, float64(d)/float64(n))
		}
		if d < chunk {
			n *= 2
		}
		if !t1.Before(end) {
			break
		}
	}
	n = max(1, int(float64(chunk)/best))
	o := &outcome{}
	means, times := make([]float64, 0, t.Samples), make([]float64, 0, t.Samples)
	last := time.Now()
	for o.elapsed < t.Run {
		if err := run(n); err != nil {
			return nil, err
		}
		now := time.Now()
		d := now.Sub(last)
		if len(means) < t.Samples {
			means = append(means, float64(d)/float64(n))
		}
		o.ops += int64(n)
		o.elapsed += d
		last = now
	}
	end := last.Add(t.Run / 2)
	for singles && len(times) < t.Samples && last.Before(end) {
		t0 := time.Now()
		if err := run(1); err != nil {
			return nil, err
		}
		last = time.Now()
		times = append(times, float64(last.Sub(t0)))
	}
	o.extra = map[string]float64{typical: median(means)}
	if o.samples = means; singles {
		o.samples = times
	}
	return o, nil
}
