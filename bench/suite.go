package main

import (
	"context"
	"fmt"
	"io"
)

// suite is a group of scenes, chosen by name.
type suite struct {
	name, about string
	scenes      func() []scene
}

var suites = []suite{
	{"latency", "64-byte round trip between two processes", latencyScenes},
	{"throughput", "messages of 8 B, 64 B, 1 KiB and 64 KiB one way between two processes", throughputScenes},
	{"fanin", "items of 8 B and 64 B, several processes at either end of a queue", fanInScenes},
	{"rpc", "a request and its response, 64 B", callScenes},
	{"proc", "queues and pipes of package proc between two processes, starting processes; beside Python's multiprocessing", procScenes},
	{"manager", "dictionaries in a manager: set, get, make; one client and four; beside Python's", managerScenes},
	{"pool", "tasks in worker processes: many and small, one at a time, large, long; beside Python's Pool and goroutines", poolScenes},
	{"memory", "a value beside a struct under sync.Mutex; create, attach to and list segments", memoryScenes},
	{"locks", "mutex, semaphore, readers, event, cond, barrier: uncontended, between two processes, hand-over order, allocations and system calls", lockScenes},
}

// scene is one table: contenders that did the same, at the same place.
type scene struct {
	suite, name string
	place       string
	size        int // bytes a message; 0 where there are none
	metrics     []metric
	entries     []entry
}

// entry is a contender in a scene.
type entry struct {
	label   string
	who     contender
	job     string
	against string // the label of the baseline of its ratio; "" for none
}

// metric is a figure of an outcome. The first of a scene is the one that
// ratios and targets speak of.
type metric struct {
	name, unit string
	rate       bool                     // operations a second, not nanoseconds an operation
	of         func(o *outcome) float64 // NaN where a contender does not have it
	tail       bool                     // percentiles of the samples belong to it
}

// timeMetric is the time of an operation in the median chunk.
func timeMetric(name string) metric {
	return metric{name: name, unit: "ns", tail: true, of: func(o *outcome) float64 { return o.extra[typical] }}
}

// rateMetric is the rate in the median chunk.
func rateMetric(name string) metric {
	return metric{name: name, unit: "1/s", rate: true, tail: true,
		of: func(o *outcome) float64 { return 1e9 / o.extra[typical] }}
}

// totalMetric is all operations divided by all the time, for what has no chunks.
func totalMetric(name string) metric {
	return metric{name: name, unit: "1/s", rate: true, of: func(o *outcome) float64 { return 1e9 / o.nsPerOp() }}
}

// series is what one entry of a scene measured, round by round.
type series struct {
	entry
	rounds []*outcome
	err    error  // it failed, and was not asked again
	absent string // why this machine cannot run it
}

// values returns the metric's value of each round.
func (s *series) values(m metric) []float64 {
	var v []float64
	for _, o := range s.rounds {
		v = append(v, m.of(o))
	}
	return v
}

// percentiles collects the samples of all rounds.
func (s *series) percentiles() percentiles {
	p := newPercentiles()
	for _, o := range s.rounds {
		for _, ns := range o.samples {
			p.add(ns)
		}
	}
	return p
}

// played is a scene with what was measured.
type played struct {
	scene
	series []*series
}

func (p *played) find(label string) *series {
	for _, s := range p.series {
		if s.label == label {
			return s
		}
	}
	return nil
}

// effort is how much is measured.
type effort struct {
	rounds int
	timing timing
}

// play measures a scene in interleaved rounds: every contender once, then
// every contender again. What disturbs the machine for a while disturbs
// neighbours alike.
func play(ctx context.Context, r *rig, sc scene, e effort, progress io.Writer) (*played, error) {
	at, ok := r.place(sc.place)
	if !ok {
		return nil, nil
	}
	p := &played{scene: sc}
	for _, en := range sc.entries {
		p.series = append(p.series, &series{entry: en, absent: en.who.missing(r)})
	}
	for round := range e.rounds {
		for _, s := range p.series {
			if s.err != nil || s.absent != "" {
				continue
			}
			fmt.Fprintf(progress, "\r\033[K%s, %s, %d B: round %d of %d: %s", sc.suite, sc.name, sc.size, round+1, e.rounds, s.label)
			o, err := s.who.run(ctx, r, trial{s.job, sc.size, at, e.timing})
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if err != nil {
				s.err = err
				continue
			}
			s.rounds = append(s.rounds, o)
		}
	}
	fmt.Fprint(progress, "\r\033[K")
	return p, nil
}
