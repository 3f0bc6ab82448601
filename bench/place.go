package main

// placement says where the two sides of a trial run; both are treated alike.
type placement struct {
	name       string
	cpuA, cpuB int // below zero: not bound
}

const (
	sameCore  = "same core"
	diffCores = "different cores"
	unpinned  = "unpinned"
)

// placements returns what this machine allows; different cores need two
// processors, and on a machine with two threads a core the second is taken
// from another core if there is one.
func placements(cpus []int, sibling func(a, b int) bool) []placement {
	if len(cpus) == 0 {
		return []placement{{unpinned, -1, -1}}
	}
	first, out := cpus[0], []placement{{sameCore, cpus[0], cpus[0]}}
	if len(cpus) > 1 {
		second := cpus[1]
		for _, cpu := range cpus[1:] {
			if !sibling(first, cpu) {
				second = cpu
				break
			}
		}
		out = append(out, placement{diffCores, first, second})
	}
	return append(out, placement{unpinned, -1, -1})
}
