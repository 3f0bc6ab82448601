package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// numbers are what differs in tables of processes and memory.
var numbers = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(users|creator|none)  +(\d+|-)  +(\d+)  `), "$1  4242  4242  "},
	{regexp.MustCompile(`(Mu|producer) by \d+`), "$1 by 4242"},
}

// The pictures of the README are what the tool prints, for the same things.
func TestPictures(t *testing.T) {
	p, name := start(t, "bank", "open")
	account, orders, rate := name+"-account", name+"-orders", name+"-rate"
	pretty := func(out string) string {
		return mask(out, name+"-", "")
	}
	table := func(out string) string {
		out = squeeze(pretty(out))
		for _, m := range numbers {
			out = m.what.ReplaceAllString(out, m.with)
		}
		return align(out)
	}
	out, _ := shmkit(t, 0, "ls", account, orders, rate)
	picture(t, "ls", table(out))
	out, _ = shmkit(t, 0, "stat", account)
	picture(t, "stat account", pretty(out))
	out, _ = shmkit(t, 0, "stat", orders)
	picture(t, "stat orders", pretty(out))
	out, _ = shmkit(t, 0, "top", "-once", "-d", "0.1", account, orders, rate)
	picture(t, "top -once", table(out))
	out, _ = shmkit(t, 0, "dump", account)
	picture(t, "dump account", pretty(out))

	p.Kill()
	p.Wait()
	out, _ = shmkit(t, 0, "stat", account)
	_, value, _ := strings.Cut(pretty(out), "\nvalue\n")
	picture(t, "stat account | sed -n '/^value/,$p'", "value\n"+value)
	out, _ = shmkit(t, 0, "sweep", account)
	picture(t, "sweep", pretty(out))
}

// align makes columns of a table of which only the order is known.
func align(s string) string {
	var tab table
	for line := range strings.Lines(s) {
		cells := strings.Split(strings.TrimRight(line, "\n"), "  ")
		if tab.titles == nil {
			tab.titles = cells
			continue
		}
		for len(cells) < len(tab.titles) {
			cells = append(cells, "")
		}
		tab.add(cells...)
	}
	return strings.Join(tab.lines(), "\n") + "\n"
}

// What doctor finds differs from machine to machine; what it looks at does not.
func TestDoctor(t *testing.T) {
	out, _ := shmkit(t, 0, "doctor")
	names := func(s string) (checks []string) {
		for line := range strings.Lines(s) {
			if f := regexp.MustCompile(` {2,}`).Split(strings.TrimSpace(line), -1); len(f) > 2 && !strings.HasPrefix(line, " ") {
				checks = append(checks, f[1])
			}
		}
		slices.Sort(checks)
		return slices.Compact(checks)
	}
	if *update {
		picture(t, "doctor", out)
	}
	b, err := os.ReadFile(readme)
	require.NoError(t, err)
	_, block, ok := strings.Cut(string(b), "```\n$ shmkit doctor\n")
	require.True(t, ok)
	block, _, _ = strings.Cut(block, "```\n")
	require.NotEmpty(t, names(out))
	require.Equal(t, names(block), names(out))
	json, _ := shmkit(t, 0, "doctor", "-json")
	for _, n := range names(out) {
		require.Contains(t, json, `"check": "`+n+`"`)
	}
}

// The README explains all commands.
func TestReadmeNamesCommands(t *testing.T) {
	b, err := os.ReadFile(readme)
	require.NoError(t, err)
	for _, c := range commands() {
		require.Contains(t, string(b), "shmkit "+c.name)
	}
}
