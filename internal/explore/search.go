//go:build explore

package explore

import (
	"fmt"
	"hash/maphash"
	"runtime"
	"strings"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// Report is what an exploration found.
type Report struct {
	Schedules int // that were played, to their end or until they met another
	States    int // different ones
	Steps     int // of the longest schedule
	Looks     int // schedules that needed the look
	Time      time.Duration
	Violation *Violation // the first; nil if there is none
}

func (r Report) String() string {
	return fmt.Sprintf("%d schedules, %d states, at most %d steps, %d needed the look, %v",
		r.Schedules, r.States, r.Steps, r.Looks, r.Time.Round(time.Millisecond))
}

// Violation is a schedule in which something went wrong.
type Violation struct {
	What     string
	Schedule []string // step by step
}

func (v *Violation) Error() string {
	return v.What + "\n\t" + strings.Join(v.Schedule, "\n\t")
}

type key [2]uint64

// search is one exploration: a depth-first walk over decisions.
type search struct {
	model    Model
	maxSteps int
	mem      []byte
	seen     map[key]uint16 // the states, and after how few turns each was met
	seeds    [2]maphash.Seed
	quiet    []quietWord // one for each four bytes of mem
	key      []byte      // scratch
	possible []move      // scratch

	path []decision
	at   int // how many of them the current schedule has taken
}

// decision is one of n possibilities.
type decision struct{ n, pick int }

// choose decides between n possibilities.
func (s *search) choose(n int) int {
	if n == 1 {
		return 0
	}
	if s.at == len(s.path) {
		s.path = append(s.path, decision{n: n})
	}
	d := s.path[s.at]
	if d.n != n {
		panic(fmt.Sprintf("explore: the model is not deterministic: %d possibilities where there were %d", n, d.n))
	}
	s.at++
	return d.pick
}

// replaying says whether the current schedule is still one that was played.
func (s *search) replaying() bool { return s.at < len(s.path) }

// advance makes path the next one; false when there is none.
func (s *search) advance() bool {
	for i := len(s.path) - 1; i >= 0; i-- {
		if s.path[i].pick+1 < s.path[i].n {
			s.path[i].pick++
			s.path = s.path[:i+1]
			return true
		}
	}
	return false
}

// Run explores the model until all schedules are played or one violates it.
func Run(m Model) Report {
	// Code that could spin would: on one processor it sleeps instead.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s := &search{
		model:    m,
		maxSteps: m.MaxSteps,
		mem:      newMemory(m.Memory),
		quiet:    make([]quietWord, m.Memory/4),
		seen:     make(map[key]uint16),
		seeds:    [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
	}
	if s.maxSteps == 0 {
		s.maxSteps = 500
	}
	var rep Report
	began := time.Now()
	for more := true; more; more = s.advance() {
		r := s.play(nil)
		rep.Schedules++
		rep.Steps = max(rep.Steps, r.steps)
		if r.looked {
			rep.Looks++
		}
		if r.bad != "" {
			var trace []string
			s.play(&trace)
			rep.Violation = &Violation{What: r.bad, Schedule: trace}
			break
		}
	}
	rep.States = len(s.seen)
	rep.Time = time.Since(began)
	return rep
}

// play plays one schedule: path as far as it goes, first possibilities from
// there.
func (s *search) play(trace *[]string) *run {
	clear(s.mem)
	clear(s.quiet)
	s.at = 0
	r := &run{search: s, trace: trace}
	r.world = &World{run: r, mem: s.mem}
	mem.Explorer, futex.Explorer, robust.Explorer = r, r, r
	defer func() { mem.Explorer, futex.Explorer, robust.Explorer = nil, nil, nil }()
	r.play()
	return r
}
