package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

// Locks of all types inside an object, by the names of its fields, while their holder
// lives, is stopped, and after it was killed.
func TestStatLocks(t *testing.T) {
	p, name := start(t, "holder", "held")
	out, _ := shmkit(t, 0, "stat", name)
	golden(t, "holder.txt", mask(out, name, "accounts"))
	require.Contains(t, out, "Ledger[20].Mu      held by pid "+strconv.Itoa(p.PID))

	require.True(t, p.Stop())
	out, _ = shmkit(t, 0, "stat", name)
	require.Contains(t, out, "held by pid "+strconv.Itoa(p.PID))
	require.Contains(t, out, "which is stopped")
	p.Cont()

	p.Kill()
	p.Wait()
	out, _ = shmkit(t, 0, "stat", name)
	golden(t, "died.txt", mask(out, name, "accounts"))
	require.Contains(t, out, "attached  by nobody")
}

func TestStatJSON(t *testing.T) {
	p, name := start(t, "holder", "held")
	out, _ := shmkit(t, 0, "stat", name, "-json") // flags may stand behind
	var got struct {
		Name   string
		File   struct{ Attached []int }
		Header struct{ Type string }
		Value  struct {
			Mu      string
			Balance int
			Rate    float64
			Start   struct {
				Is      string
				Parties int
			}
		}
		Held map[string]string
	}
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, name, got.Name)
	require.Equal(t, []int{p.PID}, got.File.Attached)
	require.Equal(t, "Account", got.Header.Type)
	require.Equal(t, -42, got.Value.Balance)
	require.Equal(t, 0.5, got.Value.Rate)
	require.Equal(t, "1 of 3 waiting", got.Value.Start.Is)
	require.Equal(t, 3, got.Value.Start.Parties)
	require.Contains(t, got.Held["Mu"], "held by pid "+strconv.Itoa(p.PID))
}

func TestStatRings(t *testing.T) {
	_, name := start(t, "rings", "filled")
	for _, kind := range []string{"ring", "many", "chan"} {
		out, _ := shmkit(t, 0, "stat", name+"-"+kind)
		golden(t, kind+".txt", mask(out, name, "prices"))
	}
}

func TestStatCalls(t *testing.T) {
	_, name := start(t, "calls", "asked")
	out, _ := shmkit(t, 0, "stat", name)
	require.Contains(t, squeeze(out), "slot[0]  is served")
	require.Regexp(t, `server\[0\]  held by pid \d+`, out)
}

func TestStatValues(t *testing.T) {
	p, name := start(t, "values", "made")
	for _, kind := range []string{"value", "array", "list"} {
		out, _ := shmkit(t, 0, "stat", name+"-"+kind)
		golden(t, kind+".txt", mask(out, name, "prices"))
	}
	out, _ := shmkit(t, 0, "ls", "-a", "-json")
	var entries []entry
	require.NoError(t, json.Unmarshal([]byte(out), &entries))
	for _, e := range entries {
		if e.Anonymous && len(e.Attached) == 1 && e.Attached[0] == p.PID {
			require.Equal(t, "object", e.Kind)
			require.Equal(t, p.PID, e.Creator)
			out, _ = shmkit(t, 0, "stat", e.Name)
			require.Contains(t, squeeze(out), "type  point")
			out, _ = shmkit(t, 0, "dump", e.Name)
			require.Contains(t, out, "value.X = 9")
			return
		}
	}
	t.Fatal("ls -a does not show the anonymous object of the helper")
}

// Whatever the process was doing when it was stopped, stat and dump end.
func TestStopped(t *testing.T) {
	p, name := start(t, "busy", "busy")
	for range 15 {
		time.Sleep(time.Millisecond) // sleep: to stop it somewhere else
		require.True(t, p.Stop())
		for _, object := range []string{name + "-many", name + "-value"} {
			out, _ := shmkit(t, 0, "stat", object)
			require.NotContains(t, out, "error")
			require.Contains(t, out, "pid")
		}
		p.Cont()
	}
	shmkit(t, 0, "dump", "-n", "10000", name+"-many")
	out, _ := shmkit(t, 0, "stat", name+"-many")
	require.Contains(t, out, "messages")
}

// A name cannot drive the terminal.
func TestHostileName(t *testing.T) {
	bad := testproc.Name(t) + "\x1b[2J\n\xff"
	t.Cleanup(func() { _ = shm.Unlink(bad) })
	v, err := shm.NewValue(bad, 1, nil)
	require.NoError(t, err)
	defer v.Close()
	for _, args := range [][]string{{"ls"}, {"ls", bad}, {"stat", bad}, {"dump", bad}, {"top", "-once", "-d", "0.1"}, {"stat", bad + "x"}} {
		code := 0
		if strings.HasSuffix(args[len(args)-1], "x") {
			code = 1
		}
		out, errs := shmkit(t, code, args...)
		require.NotContains(t, out+errs, "\x1b", "%q", args)
		require.NotContains(t, out+errs, "\xff", "%q", args)
		if args[0] != "dump" {
			require.Contains(t, out+errs, `\x1b[2J\n\xff`)
		}
	}
}

func TestNotThere(t *testing.T) {
	for _, args := range [][]string{
		{"stat", "no-such-object"}, {"dump", "no-such-object"}, {"ls", "no-such-object"},
		{"stat", "4194304:3"}, {"stat", ".."}, {"stat", "a/b"},
	} {
		out, errs := shmkit(t, 1, args...)
		require.Empty(t, out)
		require.True(t, strings.HasPrefix(errs, "shmkit "+args[0]+": "), errs)
	}
	dir := testproc.Name(t)
	require.NoError(t, os.Mkdir(filepath.Join("/dev/shm", dir), 0o700))
	t.Cleanup(func() { os.Remove(filepath.Join("/dev/shm", dir)) })
	_, errs := shmkit(t, 1, "stat", dir)
	require.Contains(t, errs, "not a regular file")
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"lss"}, {"stat"}, {"stat", "a", "b"}, {"ls", "-x"}, {"dump", "-o", "-1", "a"}, {"top", "-s", "colour"}} {
		_, errs := shmkit(t, 2, args...)
		require.NotEmpty(t, errs)
	}
	out, _ := shmkit(t, 0, "help")
	for _, c := range commands() {
		require.Contains(t, out, "shmkit "+c.name+" ")
		help, _ := shmkit(t, 0, c.name, "-h")
		require.Contains(t, help, c.about)
		again, _ := shmkit(t, 0, "help", c.name)
		require.Equal(t, help, again)
	}
}

// Sweep removes what the dead left, and nothing else.
func TestSweep(t *testing.T) {
	p, name := start(t, "owner", "made")
	out, _ := shmkit(t, 0, "sweep", name)
	require.Empty(t, out, "its owner lives")
	p.Kill()
	p.Wait()
	list, _ := shmkit(t, 0, "ls", name)
	require.Contains(t, list, "orphan")
	out, _ = shmkit(t, 0, "sweep", "-n", name)
	require.Contains(t, out, "would remove "+name)
	out, _ = shmkit(t, 0, "sweep", name)
	require.Contains(t, out, "removed "+name)
	_, err := os.Stat("/dev/shm/" + name)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Numbers of a ring at work make sense each time: never less than before, never an error.
func TestStatAtWork(t *testing.T) {
	_, name := start(t, "busy", "busy")
	set := describers()
	var before uint64
	for range 300 {
		o, err := look(set, name+"-many")
		require.NoError(t, err)
		require.Nil(t, o.Root.Find("error"))
		require.GreaterOrEqual(t, o.Traffic.Messages, before)
		before = o.Traffic.Messages
		o.close()
		if o, err = look(set, name+"-value"); err == nil {
			require.Len(t, o.Root.Find("value").Kids, mostShown+1)
			o.close()
		}
	}
	require.Positive(t, before)
}

// mostShown is how many elements of an array are shown, besides the line that says so.
const mostShown = 8
