package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// target is one promise about speed: a comparison of two contenders of one
// scene, paired round by round.
type target struct {
	text              string
	suite, scene      string
	size              int
	contender, versus string // versus "": the contender's own value
	kind              comparison
	limit             float64
}

// comparison says what of contender c and baseline b is held against the limit.
type comparison int

const (
	atMostTimes  comparison = iota // c / b at most the limit
	atLeastTimes                   // c / b at least
	timesFaster                    // b / c at least, for times
	atMostPlus                     // c - b at most, ns
	atMost                         // c at most
	atLeast                        // c at least
)

// isLeast says whether the limit is the least, not the most.
func (k comparison) isLeast() bool { return k == atLeastTimes || k == timesFaster || k == atLeast }

func (k comparison) of(c, b float64) float64 {
	switch k {
	case timesFaster:
		return b / c
	case atMostPlus:
		return c - b
	case atMost, atLeast:
		return c
	}
	return c / b
}

var targets = []target{
	{"spin at most 1.2 × the C SPSC ring", "latency", diffCores, 64, "ring spin", "C SPSC ring", atMostTimes, 1.2},
	{"spin at most 3 × the raw C flag", "latency", diffCores, 64, "ring spin", "C flag", atMostTimes, 3},
	{"block at most 1.3 × the C futex, one core", "latency", sameCore, 64, "ring block", "C futex", atMostTimes, 1.3},
	{"block at most 1.3 × the C futex, two cores", "latency", diffCores, 64, "ring block", "C futex", atMostTimes, 1.3},
	{"hybrid at least 3 times faster than os.Pipe", "latency", diffCores, 64, "ring hybrid", "os.Pipe", timesFaster, 3},
	{"hybrid at least 3 times faster than the Unix socket", "latency", diffCores, 64, "ring hybrid", "Unix socket", timesFaster, 3},
	{"loaned 1 MiB at most 1.2 × loaned 64 B", "latency", sceneLoaned, 1 << 20, "ring loaned 1 MiB", "ring loaned 64 B", atMostTimes, 1.2},
	{"Chan[uint64] at least 0.9 × the C SPSC ring", "throughput", diffCores, 8, "Chan", "C SPSC ring", atLeastTimes, 0.9},
	{"its batches at least 2 ×", "throughput", diffCores, 8, "Chan batch", "C SPSC ring", atLeastTimes, 2},
	{"its batches of 64 at least 300 M a second", "throughput", diffCores, 8, "Chan batch", "", atLeast, 300e6},
	{"64 B: Send at least 15 × os.Pipe", "throughput", diffCores, 64, "ring hybrid", "os.Pipe", atLeastTimes, 15},
	{"64 B: SendBatch at least 50 × os.Pipe", "throughput", diffCores, 64, "ring hybrid batch", "os.Pipe", atLeastTimes, 50},
	{"64 KiB at least 0.9 × the same transfer in C", "throughput", diffCores, 64 << 10, "ring hybrid", "C byte ring", atLeastTimes, 0.9},
	{"MPMC 2 × 2, 8 B: at least the C Vyukov queue's rate", "fanin", sceneMPMC, 8, "ring MPMC", "C Vyukov queue", atLeastTimes, 1},
	{"MPMC 2 × 2, 64 B: likewise", "fanin", sceneMPMC, 64, "ring MPMC", "C Vyukov queue", atLeastTimes, 1},
	{"MPSC 2 × 1, 8 B: likewise", "fanin", sceneMPSC, 8, "ring MPSC", "C Vyukov queue", atLeastTimes, 1},
	{"MPSC 2 × 1, 64 B: likewise", "fanin", sceneMPSC, 64, "ring MPSC", "C Vyukov queue", atLeastTimes, 1},
	{"Call at most 1.3 × the round trip through two rings", "rpc", sceneCall + diffCores, 64, "Call", "ring hybrid", atMostTimes, 1.3},
	{"Queue of uint64 at most 1.3 × slower than a Chan", "proc", sceneWords + diffCores, 8, "Queue", "Chan MPMC", atLeastTimes, 1 / 1.3},
	{"JoinableQueue of uint64, each finished, at least 10 × Python's rate", "proc", sceneJoin + diffCores, 8, "JoinableQueue", "Python JoinableQueue", atLeastTimes, 10},
	{"Queue of structs at least 10 × Python's rate", "proc", sceneTasks + diffCores, 0, "Queue", "Python Queue", atLeastTimes, 10},
	{"Queue of structs at least 10 times faster than Python's, there and back", "proc", sceneTaskTrip + diffCores, 0, "Queue", "Python Queue", timesFaster, 10},
	{"Pipe of structs at least 5 times faster than Python's", "proc", sceneTaskTrip + diffCores, 0, "Pipe", "Python Pipe", timesFaster, 5},
	{"Pipe of bytes at least 5 times faster than Python's", "proc", scenePipe + diffCores, 64, "Pipe", "Python Pipe", timesFaster, 5},
	{"Pipe of bytes at least 3 times faster than the Unix socket", "proc", scenePipe + diffCores, 64, "Pipe", "Unix socket", timesFaster, 3},
	{"start and wait at most 1.1 × os/exec", "proc", sceneStart, 0, "Start and Wait", "os/exec", atMostTimes, 1.1},
	{"start and wait at least 15 times faster than Python's spawn", "proc", sceneStart, 0, "Start and Wait", "Python spawn", timesFaster, 15},
	{"Dict, set and get, at least 10 times faster than Python's", "manager", sceneDict + diffCores, requestSize, "Dict", "Python dict", timesFaster, 10},
	{"Dict, set and get by four clients, at least 20 × Python's rate", "manager", sceneDictFour, requestSize, "Dict", "Python dict", atLeastTimes, 20},
	{"NewDict and Close at least 20 times faster than Python's", "manager", sceneDictMade + diffCores, requestSize, "NewDict and Close", "Python dict", timesFaster, 20},
	{"Map at least 3 × Python's tasks a second", "pool", sceneMap, 0, "Map", "Python map", timesFaster, 3},
	{"one task a message: at least 20 × Python's", "pool", sceneMapOne, 0, "Map", "Python map", timesFaster, 20},
	{"Apply at least 20 times faster than Python's", "pool", sceneApply + unpinned, 0, "Apply", "Python apply", timesFaster, 20},
	{"Apply, both sides asleep, at most 15 µs, one core", "pool", sceneApply + sameCore, 0, "Apply, blocking", "", atMost, 15000},
	{"16 MiB there and back at most 1.5 × four copies", "pool", sceneLarge, 0, "Apply", "copied four times", atMostTimes, 1.5},
	{"long tasks on all processors within 5 % of goroutines", "pool", scenePoolBurn, 0, "Map", "goroutines", atMostTimes, 1.05},
	{"Value: a load at most 2 × one under sync.Mutex", "memory", sceneLoad, 0, "Value", "sync.Mutex", atMostTimes, 2},
	{"Value: a store at most 2 × one under sync.Mutex", "memory", sceneStore, 0, "Value", "sync.Mutex", atMostTimes, 2},
	{"anonymous segment of 1 MiB at most 1.5 × the system calls", "memory", sceneMade, 0, "Segment", "system calls", atMostTimes, 1.5},
	{"attaching to 1 GiB at most 1.5 × to 4 KiB", "memory", sceneAttach, 0, "1 GiB", "4 KiB", atMostTimes, 1.5},
	{"attaching to 1 GiB: at most 10 page faults", "memory", sceneFaults, 0, "1 GiB", "", atMost, 10},
	{"list of 10 000 segments in less than a second", "memory", sceneListed, 0, "List", "", atMost, 1e9},
	{"Mutex uncontended: at most glibc's plus 5 ns", "locks", sceneUncontended, 0, "Mutex", "C robust mutex", atMostPlus, 5},
	{"contended by two processes: at least glibc's rate", "locks", sceneContended + diffCores, 0, "Mutex", "C robust mutex", atLeastTimes, 1},
	{"two goroutines on two mutexes: at most 1.5 × one", "locks", sceneTwo, 0, "Mutex, two", "Mutex, one", atMostTimes, 1.5},
	{"Semaphore uncontended: at most 1.5 × C's sem_t", "locks", sceneSemaphore, 0, "Semaphore", "C sem_t", atMostTimes, 1.5},
	{"Semaphore at least 8 times faster than Python's Lock", "locks", sceneSemaphore, 0, "Semaphore", "Python with Lock", timesFaster, 8},
	{"RWMutex, reader uncontended: at most 2 × C's rwlock", "locks", sceneReader, 0, "RWMutex", "C rwlock", atMostTimes, 2},
	{"RWMutex, readers in two processes: at least 2 × C's rate", "locks", sceneReaders + diffCores, 0, "RWMutex", "C rwlock", atLeastTimes, 2},
	{"Event: at most 1.3 × the C futex, one core", "locks", sceneRoundTrip + sameCore, 0, "Event", "C futex", atMostTimes, 1.3},
	{"Event: at most 1.3 × the C futex, two cores", "locks", sceneRoundTrip + diffCores, 0, "Event", "C futex", atMostTimes, 1.3},
	{"Cond: at most 1.3 × the C futex, one core", "locks", sceneRoundTrip + sameCore, 0, "Cond", "C futex", atMostTimes, 1.3},
	{"Cond: at most 1.3 × the C futex, two cores", "locks", sceneRoundTrip + diffCores, 0, "Cond", "C futex", atMostTimes, 1.3},
	{"Barrier of two: no slower than C's, one core", "locks", sceneBarrier + sameCore, 0, "Barrier", "C barrier", atMostTimes, 1},
	{"Barrier of two: no slower than C's, two cores", "locks", sceneBarrier + diffCores, 0, "Barrier", "C barrier", atMostTimes, 1},
	{"no allocation: Mutex", "locks", sceneAllocations, 0, "Mutex", "", atMost, 0.001},
	{"no allocation: Semaphore", "locks", sceneAllocations, 0, "Semaphore", "", atMost, 0.001},
	{"no allocation: RWMutex", "locks", sceneAllocations, 0, "RWMutex", "", atMost, 0.001},
	{"no allocation: ring", "locks", sceneAllocations, 0, "ring", "", atMost, 0.001},
	{"no allocation: Chan", "locks", sceneAllocations, 0, "Chan", "", atMost, 0.001},
	{"no system call: Mutex", "locks", sceneSystemCalls, 0, "Mutex", "", atMost, 0.01},
	{"no system call: Semaphore", "locks", sceneSystemCalls, 0, "Semaphore", "", atMost, 0.01},
	{"no system call: RWMutex", "locks", sceneSystemCalls, 0, "RWMutex", "", atMost, 0.01},
	{"no system call: ring", "locks", sceneSystemCalls, 0, "ring", "", atMost, 0.01},
	{"no system call: Chan", "locks", sceneSystemCalls, 0, "Chan", "", atMost, 0.01},
}

func (g target) in(sc scene) bool {
	return g.suite == sc.suite && g.scene == sc.name && g.size == sc.size
}

// needed keeps the scenes and contenders that targets speak of.
func needed(scenes []scene) []scene {
	var out []scene
	for _, sc := range scenes {
		names := map[string]bool{}
		for _, g := range targets {
			if g.in(sc) {
				names[g.contender], names[g.versus] = true, true
			}
		}
		var entries []entry
		for _, e := range sc.entries {
			if names[e.label] {
				entries = append(entries, e)
			}
		}
		if len(entries) > 0 {
			sc.entries = entries
			out = append(out, sc)
		}
	}
	return out
}

// A verdict: a target is missed when the whole interval misses it.
const (
	met      = "met"
	unclear  = "met within the interval"
	missed   = "MISSED"
	unjudged = "not measured"
)

// judge holds the target against what was measured.
func (g target) judge(all []*played) (estimate, string) {
	for _, p := range all {
		if !g.in(p.scene) {
			continue
		}
		c, b := p.find(g.contender), p.find(g.versus)
		if g.versus == "" {
			b = c
		}
		if c == nil || b == nil || len(c.rounds) == 0 || len(b.rounds) == 0 {
			break
		}
		m := p.metrics[0]
		e := estimateOf(paired(c.values(m), b.values(m), g.kind.of))
		switch {
		case g.kind.isLeast() && e.mid >= g.limit, !g.kind.isLeast() && e.mid <= g.limit:
			return e, met
		case g.kind.isLeast() && e.hi >= g.limit, !g.kind.isLeast() && e.lo <= g.limit:
			return e, unclear
		}
		return e, missed
	}
	return estimate{}, unjudged
}

// writeTargets prints the targets of the suites that were run, each with its
// measure and verdict, and returns how many were missed.
func writeTargets(w io.Writer, all []*played) (int, error) {
	misses := 0
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "target\tlimit\tmeasured\t95 % interval\tverdict\n")
	for _, g := range targets {
		if !slices.ContainsFunc(all, func(p *played) bool { return p.suite == g.suite }) {
			continue
		}
		e, verdict := g.judge(all)
		if verdict == missed {
			misses++
		}
		measured, interval := "", ""
		if verdict != unjudged {
			measured, interval = g.kind.show(e.mid), g.kind.show(e.lo)+" – "+g.kind.show(e.hi)
		}
		bound := "≤ "
		if g.kind.isLeast() {
			bound = "≥ "
		}
		fmt.Fprintf(t, "%s: %s\t%s%s\t%s\t%s\t%s\n", g.suite, g.text, bound, g.kind.show(g.limit), measured, interval, verdict)
	}
	return misses, t.Flush()
}

func (k comparison) show(v float64) string {
	switch k {
	case atMostPlus:
		return show(&v) + " ns"
	case atMost, atLeast:
		return show(&v)
	}
	return show(&v) + "×"
}
