package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{3, 1}, 2},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		require.Equal(t, c.want, median(c.values))
	}
	require.True(t, math.IsNaN(median(nil)))
}

func TestEstimateOfEqualValuesHasNoWidth(t *testing.T) {
	require.Equal(t, estimate{7, 7, 7}, estimateOf([]float64{7, 7, 7, 7}))
}

func TestEstimateOfNothingIsNothing(t *testing.T) {
	e := estimateOf(nil)
	require.True(t, math.IsNaN(e.mid) && math.IsNaN(e.lo) && math.IsNaN(e.hi))
}

// The interval must hold the true median in about 95 of 100 experiments.
func TestIntervalCoversTheMedian(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	covered, experiments := 0, 300
	for range experiments {
		values := make([]float64, 25)
		for i := range values {
			values[i] = math.Exp(random.NormFloat64()) // median 1, skewed like times
		}
		if e := estimateOf(values); e.lo <= 1 && 1 <= e.hi {
			covered++
		}
	}
	require.InDelta(t, 0.95, float64(covered)/float64(experiments), 0.04)
}

func TestIntervalIsRepeatable(t *testing.T) {
	values := []float64{5, 1, 4, 2, 8, 9, 3}
	require.Equal(t, estimateOf(values), estimateOf(values))
}

// A disturbance that hits neighbours alike must not touch their ratio.
func TestPairedRatioCancelsWhatBothSuffer(t *testing.T) {
	a, b := []float64{10, 100, 30}, []float64{5, 50, 15}
	require.Equal(t, []float64{2, 2, 2}, paired(a, b, quotient))
	require.Equal(t, []float64{5, 50, 15}, paired(a, b, difference))
}

func TestPairedLeavesOutWhatIsMissing(t *testing.T) {
	require.Equal(t, []float64{3}, paired([]float64{math.NaN(), 6, 1}, []float64{1, 2}, quotient))
}

func TestFairness(t *testing.T) {
	for _, c := range []struct {
		ops  []float64
		want fairness
	}{
		{[]float64{5, 5}, fairness{share: 0.5, least: 1, jain: 1}},
		{[]float64{0, 8}, fairness{share: 0, least: 0, jain: 0.5}},
		{[]float64{1, 3}, fairness{share: 0.25, least: 1.0 / 3, jain: 0.8}},
		{[]float64{7, 0, 0, 0}, fairness{share: 0, least: 0, jain: 0.25}},
	} {
		require.Equal(t, c.want, fairnessOf(c.ops), c.ops)
	}
}

func TestPercentiles(t *testing.T) {
	p := newPercentiles()
	require.True(t, math.IsNaN(p.at(50)))
	for ns := 1; ns <= 1000; ns++ {
		p.add(float64(ns))
	}
	require.InEpsilon(t, 500, p.at(50), 0.002)
	require.InEpsilon(t, 990, p.at(99), 0.002)
	require.InEpsilon(t, 999, p.at(99.9), 0.002)
}

func TestPercentilesKeepFractionsOfNanoseconds(t *testing.T) {
	p := newPercentiles()
	p.add(0.637)
	require.InEpsilon(t, 0.637, p.at(50), 0.002)
}
