package main

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what the tool prints today into the README and testdata")

// readme is where the pictures are.
const readme = "README.md"

// masks are what differs from run to run, with what stands there in pictures.
var masks = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\bpid( +)[1-9]\d*`), "pid${1}4242"},
	{regexp.MustCompile(`pid {2,}4242  exe`), "pid  4242  bank"},
	{regexp.MustCompile(`pid {2,}4242  shmkit\.test`), "pid  4242  bank"},
	{regexp.MustCompile(`keeper \d+`), "keeper 4245"},
	{regexp.MustCompile(`creator( +)\d+`), "creator${1}4242"},
	{regexp.MustCompile(`namespace( +)\d+`), "namespace${1}4026531836"},
	{regexp.MustCompile(`id( +)[0-9a-f]{32}`), "id${1}5f0c2a9e31d84b7796e1c04a8d2b73f5"},
	{regexp.MustCompile(`created( +)\S+`), "created${1}2026-12-01T09:30:00Z"},
	{regexp.MustCompile(`uid( +)\d+`), "uid${1}1000"},
	{regexp.MustCompile(`allocated( +)\d+  .*`), "allocated${1}memory"},
	{regexp.MustCompile(`sleepers( +)(true|false)`), "sleepers${1}…"}, // who waits may still spin
	// Of dumps.
	{regexp.MustCompile(`(?m)^(\S+)  .*header\.(ID|Namespace|Creator|Started)\b.*$`), "$1  …  header.$2"},
	{regexp.MustCompile(`(?m)^(00000040)  .*$`), "$1  …"}, // the second half of the id
	{regexp.MustCompile(`(?m)^(\S+)  .*(Word|Ident) = .*$`), "$1  …  $2"},
}

// mask makes outputs of different runs the same.
func mask(out, name, pretty string) string {
	out = strings.ReplaceAll(out, name, pretty)
	for _, m := range masks {
		out = m.what.ReplaceAllString(out, m.with)
	}
	return out
}

// squeeze makes tables of different widths the same.
func squeeze(s string) string {
	s = regexp.MustCompile(` {2,}`).ReplaceAllString(s, "  ")
	return regexp.MustCompile(`(?m) +$`).ReplaceAllString(s, "")
}

// picture compares what a command prints with the block of the README that begins with
// "$ shmkit COMMAND".
func picture(t *testing.T, command, got string) {
	t.Helper()
	b, err := os.ReadFile(readme)
	require.NoError(t, err)
	begin := "```\n$ shmkit " + command + "\n"
	head, rest, ok := strings.Cut(string(b), begin)
	require.True(t, ok, "the README has no picture of shmkit %s", command)
	block, tail, ok := strings.Cut(rest, "```\n")
	require.True(t, ok)
	if *update {
		require.NoError(t, os.WriteFile(readme, []byte(head+begin+got+"```\n"+tail), 0o644))
		return
	}
	require.Equal(t, squeeze(block), squeeze(got), "the README's picture of shmkit %s; go test ./cmd/shmkit -update", command)
}

// golden compares what a command prints with a file of testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := "testdata/" + file
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, squeeze(string(want)), squeeze(got), "%s; go test ./cmd/shmkit -update", path)
}
