package main

import (
	"encoding/json"
	"io"
	"math"
)

// record is one figure in the JSON output. A number that does not exist (no
// baseline, no percentiles) is null. Ratio is contender / baseline of the
// metric's values, paired round by round.
type record struct {
	Suite     string   `json:"suite"`
	Case      string   `json:"case"`
	Contender string   `json:"contender"`
	Size      int      `json:"size"` // bytes a message
	Metric    string   `json:"metric"`
	Unit      string   `json:"unit"`
	Value     *float64 `json:"value"` // median of the rounds
	Low       *float64 `json:"low"`   // its 95 % interval
	High      *float64 `json:"high"`
	P50       *float64 `json:"p50"`
	P99       *float64 `json:"p99"`
	P999      *float64 `json:"p999"`
	Ratio     *float64 `json:"ratio"`
	RatioLow  *float64 `json:"ratio_low"`
	RatioHigh *float64 `json:"ratio_high"`
	Baseline  string   `json:"baseline"`
	Rounds    int      `json:"rounds"`
}

// records returns the figures of a scene, one a contender and metric.
func (p *played) records() []record {
	var out []record
	for _, s := range p.series {
		if len(s.rounds) == 0 {
			continue
		}
		for i, m := range p.metrics {
			v := estimateOf(known(s.values(m)))
			if math.IsNaN(v.mid) {
				continue
			}
			rec := record{Suite: p.suite, Case: p.name, Contender: s.label, Size: p.size, Metric: m.name, Unit: m.unit,
				Value: number(v.mid), Low: number(v.lo), High: number(v.hi), Rounds: len(s.rounds)}
			if m.tail {
				tail := s.percentiles()
				for q, at := range map[float64]**float64{50: &rec.P50, 99: &rec.P99, 99.9: &rec.P999} {
					t := tail.at(q)
					if m.rate {
						t = 1e9 / t // the rate that q percent of the chunks reach
					}
					*at = number(t)
				}
			}
			if base := p.find(s.against); i == 0 && base != nil && len(base.rounds) > 0 {
				r := estimateOf(paired(s.values(m), base.values(m), quotient))
				rec.Ratio, rec.RatioLow, rec.RatioHigh = number(r.mid), number(r.lo), number(r.hi)
				rec.Baseline = base.label
			}
			out = append(out, rec)
		}
	}
	return out
}

// known leaves out what does not exist.
func known(values []float64) []float64 {
	return paired(values, values, func(a, _ float64) float64 { return a })
}

func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func writeJSON(w io.Writer, all []record) error {
	if all == nil {
		all = []record{}
	}
	return writeIndented(w, all)
}

func writeIndented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
