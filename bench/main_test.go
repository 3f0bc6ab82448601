package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test program be a peer, as the program itself can be.
func TestMain(m *testing.M) {
	asPeer()
	testproc.Main(m)
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		args  string
		suite string // of the suites that are run
		err   string
	}{
		{"", "latency throughput fanin rpc proc manager pool memory locks", ""},
		{"-suite locks", "locks", ""},
		{"-suite locks,latency -quick -json", "locks latency", ""},
		{"-suite nonsense", "", `no suite is called "nonsense"`},
		{"-suite latency,", "", `no suite is called ""`},
		{"-nonsense", "", "not defined"},
		{"more", "", `unexpected argument "more"`},
	} {
		t.Run(c.args, func(t *testing.T) {
			f, err := parseFlags(strings.Fields(c.args), &bytes.Buffer{})
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			var names []string
			for _, s := range f.suites {
				names = append(names, s.name)
			}
			require.Equal(t, c.suite, strings.Join(names, " "))
		})
	}
}

func TestExitCodes(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		args []string
		want int
	}{
		{t.Context(), []string{"-list"}, exitOK},
		{t.Context(), []string{"-h"}, exitOK},
		{t.Context(), []string{"-suite", "nonsense"}, exitUsage},
		{t.Context(), []string{"-nonsense"}, exitUsage},
		{canceled, []string{"-quick", "-suite", "locks"}, exitInterrupted},
	} {
		require.Equal(t, c.want, run(c.ctx, c.args, &bytes.Buffer{}, &bytes.Buffer{}), c.args)
	}
}

func TestListNamesEverySuiteAndContender(t *testing.T) {
	var out bytes.Buffer
	list(&out, suites)
	for _, s := range suites {
		require.Contains(t, out.String(), s.name+": ")
		for _, sc := range s.scenes() {
			for _, e := range sc.entries {
				require.Contains(t, out.String(), e.label)
			}
		}
	}
}

// Names that nothing else checks: a ratio's baseline and a target's
// contenders must exist where they are looked for, and labels be unique.
func TestScenesAreConsistent(t *testing.T) {
	var scenes []scene
	for _, s := range suites {
		scenes = append(scenes, s.scenes()...)
	}
	for _, sc := range scenes {
		labels := map[string]bool{"": true}
		for _, e := range sc.entries {
			require.False(t, labels[e.label], "%s, %s has %q twice", sc.suite, sc.name, e.label)
			labels[e.label] = true
		}
	}
	for _, g := range targets {
		var found int
		for _, sc := range scenes {
			if !g.in(sc) {
				continue
			}
			found++
			p := played{scene: sc}
			for _, e := range sc.entries {
				p.series = append(p.series, &series{entry: e})
			}
			require.NotNil(t, p.find(g.contender), g.text)
			if g.versus != "" {
				require.NotNil(t, p.find(g.versus), g.text)
			}
		}
		require.Equal(t, 1, found, g.text)
	}
}

// tiny is the least that measures at all.
var tiny = effort{2, timing{Warm: time.Millisecond, Run: 2 * time.Millisecond, Samples: 100}}

// Every contender of every scene runs once, in real processes, and the
// reports are written.
func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	f := &flags{suites: suites, json: true, out: dir}
	var stdout, stderr bytes.Buffer
	code, err := f.run(t.Context(), tiny, &stdout, &stderr)
	require.NoError(t, err)
	require.Equal(t, exitOK, code, stderr.String())
	checkSchema(t, stdout.Bytes())
	require.Empty(t, children(t), "a peer is still there")
	require.Empty(t, names(t), "a name is still there")

	saved, err := os.ReadFile(filepath.Join(dir, "bench.json"))
	require.NoError(t, err)
	require.Equal(t, stdout.String(), string(saved))
	table, err := os.ReadFile(filepath.Join(dir, "bench.txt"))
	require.NoError(t, err)
	require.Contains(t, string(table), "throughput · unpinned · 64 KiB · messages, 1/s")
	var m machine
	text, err := os.ReadFile(filepath.Join(dir, "machine.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &m))
	require.Positive(t, m.CPUs)
	require.NotEmpty(t, m.Kernel)
}

func checkSchema(t *testing.T, text []byte) {
	var all []map[string]any
	require.NoError(t, json.Unmarshal(text, &all))
	require.NotEmpty(t, all)
	ratios, tails := 0, 0
	for _, r := range all {
		for _, key := range []string{"suite", "case", "contender", "metric", "unit", "baseline"} {
			require.IsType(t, "", r[key], key)
		}
		for _, key := range []string{"size", "value"} {
			require.IsType(t, 0.0, r[key], "%s of %v", key, r)
		}
		for _, key := range []string{"p50", "p99", "p999", "ratio"} {
			require.Contains(t, r, key)
			if r[key] != nil {
				require.Positive(t, r[key], "%s of %v", key, r)
			}
		}
		if r["ratio"] != nil {
			ratios++
			require.NotEmpty(t, r["baseline"])
		}
		if r["p999"] != nil {
			tails++
		}
	}
	require.Positive(t, ratios)
	require.Positive(t, tails)
}

// An interrupt in the middle of a trial ends the peers and the program.
func TestInterruptLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	first := writerFunc(func(p []byte) (int, error) {
		cancel() // the first trial is announced: it starts now
		return len(p), nil
	})
	r, err := newRig(t.Context())
	require.NoError(t, err)
	_, err = play(ctx, r, latencyScenes()[0], effort{1, timing{Warm: time.Hour, Run: time.Hour, Samples: 1}}, first)
	require.ErrorIs(t, err, context.Canceled)
	dir := r.dir
	r.close()
	require.NoDirExists(t, dir)
	require.Empty(t, children(t))
}

// An interrupted server leaves its name to this program, which removes it.
func TestInterruptLeavesNoName(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := newRig(t.Context())
	require.NoError(t, err)
	defer r.close()
	at, _ := r.place(unpinned)
	done := make(chan error)
	go func() {
		_, err := call.run(ctx, r, trial{jobLatency, messageSize, at, timing{Warm: time.Hour, Run: time.Hour, Samples: 1}})
		done <- err
	}()
	require.Eventually(t, func() bool { return len(names(t)) > 0 }, watchdog, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Empty(t, names(t))
}

// names returns the names that this program made and that are still there.
func names(t *testing.T) []string {
	all, err := filepath.Glob("/dev/shm/" + namePrefix + "*")
	require.NoError(t, err)
	return all
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A side that fails ends the other one, and its own words are in the error.
func TestFailingPeerEndsTheTrial(t *testing.T) {
	r, err := newRig(t.Context())
	require.NoError(t, err)
	defer r.close()
	p := &pair{name: "no such contender", b: func(*order) (*outcome, error) { return nil, nil }}
	at, _ := r.place(unpinned)
	_, err = p.run(t.Context(), r, trial{jobLatency, 8, at, tiny.timing})
	require.ErrorContains(t, err, `no contender is called "no such contender"`)
	require.Empty(t, children(t))
}

// children returns the children of this process.
func children(t *testing.T) []string {
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	var all []string
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		all = append(all, strings.Fields(string(text))...)
	}
	return all
}
