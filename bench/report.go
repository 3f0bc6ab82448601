package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// writeTable prints one scene. For times, smaller is better; for rates,
// larger; the ratio is to the contender named beside it.
func (p *played) writeTable(w io.Writer) error {
	fmt.Fprintf(w, "\n%s · %s", p.suite, p.name)
	if p.size > 0 {
		fmt.Fprintf(w, " · %s", bytesText(p.size))
	}
	fmt.Fprintf(w, " · %s, %s\n", p.metrics[0].name, p.metrics[0].unit)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "contender\tmedian\t95 % interval\tp50\tp99\tp99.9\tratio\t95 % interval\tto\t\n")
	var others []record
	for _, r := range p.records() {
		if r.Metric != p.metrics[0].name {
			others = append(others, r)
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.Contender, show(r.Value), showRange(r.Low, r.High),
			show(r.P50), show(r.P99), show(r.P999), showRatio(r.Ratio), showRatioRange(r.RatioLow, r.RatioHigh), r.Baseline)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range others {
		fmt.Fprintf(w, "  %s, %s: %s %s [%s]\n", r.Contender, r.Metric, show(r.Value), r.Unit, showRange(r.Low, r.High))
	}
	for _, s := range p.series {
		switch {
		case s.absent != "":
			fmt.Fprintf(w, "  %s: skipped: %s\n", s.label, s.absent)
		case s.err != nil:
			fmt.Fprintf(w, "  %s: FAILED: %v\n", s.label, s.err)
		}
	}
	return nil
}

// show prints three digits, large numbers with a k, M or G.
func show(v *float64) string {
	if v == nil {
		return ""
	}
	x, unit := *v, ""
	if math.Abs(x) >= 100_000 {
		for _, unit = range []string{"k", "M", "G"} {
			if x /= 1000; math.Abs(x) < 1000 {
				break
			}
		}
	}
	switch a := math.Abs(x); {
	case a == 0 || a >= 100:
		return fmt.Sprintf("%.0f%s", x, unit)
	case a >= 10:
		return fmt.Sprintf("%.1f%s", x, unit)
	case a >= 0.01:
		return fmt.Sprintf("%.2f%s", x, unit)
	}
	return fmt.Sprintf("%.2g%s", x, unit)
}

func showRange(lo, hi *float64) string {
	if lo == nil || hi == nil {
		return ""
	}
	return show(lo) + " – " + show(hi)
}

func showRatio(v *float64) string {
	if v == nil {
		return ""
	}
	return show(v) + "×"
}

func showRatioRange(lo, hi *float64) string {
	if lo == nil || hi == nil {
		return ""
	}
	return showRange(lo, hi)
}

func bytesText(n int) string {
	if n >= 1024 && n%1024 == 0 {
		return fmt.Sprintf("%d KiB", n/1024)
	}
	return fmt.Sprintf("%d B", n)
}

func writeTables(w io.Writer, m machine, all []*played) error {
	if _, err := fmt.Fprintln(w, m); err != nil {
		return err
	}
	for _, p := range all {
		if err := p.writeTable(w); err != nil {
			return err
		}
	}
	return nil
}
