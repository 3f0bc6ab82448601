package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func measured(g target, contender, versus []float64) []*played {
	p := &played{scene: scene{suite: g.suite, name: g.scene, size: g.size, metrics: []metric{{name: "time", unit: "ns", of: (*outcome).nsPerOp}}}}
	for _, v := range []struct {
		label string
		ns    []float64
	}{{g.contender, contender}, {g.versus, versus}} {
		s := &series{entry: entry{label: v.label}}
		for _, ns := range v.ns {
			s.rounds = append(s.rounds, &outcome{ops: 1, elapsed: time.Duration(ns)})
		}
		p.series = append(p.series, s)
	}
	return []*played{p}
}

func TestVerdicts(t *testing.T) {
	steady := []float64{100, 100, 100, 100, 100}
	for _, c := range []struct {
		name      string
		kind      comparison
		limit     float64
		contender []float64
		want      string
	}{
		{"at most, below", atMostTimes, 1.2, []float64{110, 110, 110, 110, 110}, met},
		{"at most, above", atMostTimes, 1.2, []float64{130, 130, 130, 130, 130}, missed},
		{"at most, above but not surely", atMostTimes, 1.2, []float64{110, 110, 130, 130, 130}, unclear},
		{"at least, above", atLeastTimes, 0.9, []float64{95, 95, 95, 95, 95}, met},
		{"at least, below", atLeastTimes, 0.9, []float64{80, 80, 80, 80, 80}, missed},
		{"at least, below but not surely", atLeastTimes, 0.9, []float64{80, 80, 80, 95, 95}, unclear},
		{"faster", timesFaster, 3, []float64{33, 33, 33, 33, 33}, met},
		{"not faster enough", timesFaster, 3, []float64{50, 50, 50, 50, 50}, missed},
		{"plus, within", atMostPlus, 5, []float64{105, 105, 105, 105, 105}, met},
		{"plus, over", atMostPlus, 5, []float64{106, 106, 106, 106, 106}, missed},
		{"absolute, enough", atLeast, 100, []float64{100, 100, 101, 102, 103}, met},
		{"absolute, too little", atLeast, 100, []float64{99, 99, 99, 99, 99}, missed},
		{"not measured", atMostTimes, 1, nil, unjudged},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := target{suite: "s", scene: "x", contender: "ours", versus: "theirs", kind: c.kind, limit: c.limit}
			_, verdict := g.judge(measured(g, c.contender, steady))
			require.Equal(t, c.want, verdict)
		})
	}
}

func TestMissedTargetsAreCounted(t *testing.T) {
	g := targets[0] // at most 1.2 ×
	var out bytes.Buffer
	misses, err := writeTargets(&out, measured(g, []float64{500, 500}, []float64{100, 100}))
	require.NoError(t, err)
	require.Equal(t, 1, misses)
	require.Contains(t, out.String(), missed)
	require.Contains(t, out.String(), "5.00×")
}

func TestNeededKeepsOnlyWhatTargetsSpeakOf(t *testing.T) {
	scenes := needed(latencyScenes())
	require.Len(t, scenes, 3)
	for _, sc := range scenes {
		for _, e := range sc.entries {
			require.NotEqual(t, "os.Pipe polled", e.label)
		}
	}
}
