package testproc

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/race"
)

// WalkOptions changes a CrashWalk. Nil is the package's own points, killed at
// their first hit.
type WalkOptions struct {
	Dirs   []string // package directories whose points are walked, "." if empty
	Prefix []string // only points that begin with one of these; all if empty
	Skip   []string // points in them that are on no path here
	Hits   int      // the first, second … Hits-th hit is armed in turn; 0 is 1
	Stop   bool     // stop the victim at the point instead of killing it
}

// Victim is the process that dies in one run of a scenario.
type Victim struct {
	Point string
	Hit   int

	t    *testing.T
	path string
	log  string
	stop bool
}

// CrashWalk runs each scenario for each crash point. Within a scenario,
// Victim.Start starts the process that dies at the point; others start with
// Start. Not every scenario reaches every point: a victim that does not ends as
// its helper ends. A point whose first hit fired in no scenario fails the test.
// Under the race detector a quarter of the points is walked, always the same.
func CrashWalk(t *testing.T, o *WalkOptions, scenarios ...func(t *testing.T, v *Victim)) {
	t.Helper()
	if o == nil {
		o = &WalkOptions{}
	}
	points := slices.DeleteFunc(Points(t, o.Dirs...), func(p string) bool {
		return len(o.Prefix) > 0 && !slices.ContainsFunc(o.Prefix, func(prefix string) bool { return strings.HasPrefix(p, prefix) })
	})
	for _, skip := range o.Skip {
		i := slices.Index(points, skip)
		if i < 0 {
			t.Fatalf("no crash point %q to skip", skip)
		}
		points = slices.Delete(points, i, i+1)
	}
	if len(points) == 0 {
		t.Fatalf("no crash points in %q", o.Dirs)
	}
	if race.Enabled { // the other points are on the same paths; all are walked without it
		skipped.Store(true)
		points = slices.DeleteFunc(points, func(p string) bool { return crc32.ChecksumIEEE([]byte(p))%4 != 0 })
	}
	path := VictimBinary(t)
	for _, point := range points {
		for hit := 1; hit <= max(1, o.Hits); hit++ {
			// A run that -run left out, or that failed, says nothing.
			ran, fired := 0, 0
			for i, scenario := range scenarios {
				name := fmt.Sprintf("%s:%d", point, hit)
				if len(scenarios) > 1 {
					name += fmt.Sprintf("/%d", i)
				}
				t.Run(name, func(t *testing.T) {
					v := &Victim{Point: point, Hit: hit, t: t, path: path, stop: o.Stop}
					v.log = filepath.Join(t.TempDir(), "crashlog")
					scenario(t, v)
					ran++
					if v.Fired() {
						fired++
					}
				})
			}
			if ran == len(scenarios) && fired == 0 && hit == 1 {
				t.Errorf("no scenario reached crash point %q", point)
			}
		}
	}
}

// Start starts a process that runs the named helper of this package with the
// point armed. It may be called several times: each such process dies there.
func (v *Victim) Start(name string, opts ...Option) *Proc {
	v.t.Helper()
	spec := fmt.Sprintf("%s:%d", v.Point, v.Hit)
	if v.stop {
		spec += ":stop"
	}
	return Start(v.t, name, append(slices.Clone(opts),
		Binary(v.path), Env("SHMKIT_CRASHPOINT="+spec, "SHMKIT_CRASHLOG="+v.log))...)
}

// Fired reports whether a victim has reached the point, and so is dead, dying,
// stopped or about to be.
func (v *Victim) Fired() bool {
	return slices.Contains(v.lines(), v.Point+" fired")
}

// Reached returns the points that victims have passed so far, in the order of
// their first hits, including the one that fired.
func (v *Victim) Reached() []string {
	return slices.DeleteFunc(v.lines(), func(l string) bool { return strings.HasSuffix(l, " fired") })
}

func (v *Victim) lines() []string {
	v.t.Helper()
	b, err := os.ReadFile(v.log)
	if err != nil && !os.IsNotExist(err) {
		v.t.Fatal(err)
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}
