package main

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// estimate is a median over rounds with its 95 % bootstrap interval.
type estimate struct{ mid, lo, hi float64 }

const resamples = 2000

// estimateOf returns the median of the rounds' values and the percentile
// bootstrap interval of that median (Efron, 1979). Equal values give equal
// intervals: the generator's seed is fixed. No values give NaN.
func estimateOf(values []float64) estimate {
	if len(values) == 0 {
		return estimate{math.NaN(), math.NaN(), math.NaN()}
	}
	random := rand.New(rand.NewPCG(1, 2))
	medians := make([]float64, resamples)
	sample := make([]float64, len(values))
	for i := range medians {
		for k := range sample {
			sample[k] = values[random.IntN(len(values))]
		}
		medians[i] = median(sample)
	}
	slices.Sort(medians)
	tail := resamples * 25 / 1000
	return estimate{median(values), medians[tail], medians[resamples-1-tail]}
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	if n == 0 {
		return math.NaN()
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

// paired combines two contenders round by round: neighbours in time share the
// machine's mood, so their ratio is steadier than the ratio of two medians. A
// round that either side lacks is left out.
func paired(a, b []float64, combine func(a, b float64) float64) []float64 {
	var out []float64
	for i := range min(len(a), len(b)) {
		if !math.IsNaN(a[i]) && !math.IsNaN(b[i]) {
			out = append(out, combine(a[i], b[i]))
		}
	}
	return out
}

func quotient(a, b float64) float64   { return a / b }
func difference(a, b float64) float64 { return a - b }

// fairness says how evenly operations are spread over several sides.
type fairness struct {
	share float64 // the least side's part of all
	least float64 // the least side's operations, by the most of one
	jain  float64 // 1 is even, 1/n is all by one of n (Jain, Chiu and Hawe, 1984)
}

func fairnessOf(ops []float64) fairness {
	var sum, squares float64
	for _, n := range ops {
		sum += n
		squares += n * n
	}
	least, most := slices.Min(ops), slices.Max(ops)
	return fairness{least / sum, least / most, sum * sum / (float64(len(ops)) * squares)}
}

// percentiles collects times in nanoseconds, kept in picoseconds to three
// digits, from 1 ps to 100 s.
type percentiles struct{ h *hdrhistogram.Histogram }

const longest = 100 * 1_000_000_000_000

func newPercentiles() percentiles {
	return percentiles{hdrhistogram.New(1, longest, 3)}
}

func (p percentiles) add(ns float64) {
	ps := int64(math.Round(ns * 1000))
	_ = p.h.RecordValue(min(max(ps, 1), longest)) // in range, so never an error
}

// at returns the time that q percent of the samples do not exceed; NaN
// without samples.
func (p percentiles) at(q float64) float64 {
	if p.h.TotalCount() == 0 {
		return math.NaN()
	}
	return float64(p.h.ValueAtQuantile(q)) / 1000
}
