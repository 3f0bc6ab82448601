package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

// screen is the tool in a terminal, as tmux plays one.
type screen struct {
	t             *testing.T
	tmux, socket  string
	width, height string
}

// open starts the tool in a terminal of that size.
func open(t *testing.T, width, height string, args ...string) *screen {
	t.Helper()
	tmux := testproc.NeedTool(t, "tmux")
	dir, err := os.MkdirTemp("", "shmkit-tmux") // a short path: it is a socket's
	require.NoError(t, err)
	s := &screen{t, tmux, filepath.Join(dir, "s"), width, height}
	self, err := os.Executable()
	require.NoError(t, err)
	line := asTool + "=1 '" + self + "' " + strings.Join(args, " ") + "; echo ended with $?"
	s.run("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, "env PS1='$ ' sh")
	t.Cleanup(func() {
		_ = exec.Command(tmux, "-S", s.socket, "kill-server").Run()
		os.RemoveAll(dir)
	})
	s.run("send-keys", line, "Enter")
	return s
}

func (s *screen) run(args ...string) string {
	s.t.Helper()
	out, err := exec.Command(s.tmux, append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	require.NoError(s.t, err, "tmux %v: %s", args, out)
	return string(out)
}

func (s *screen) keys(keys ...string) { s.run(append([]string{"send-keys"}, keys...)...) }

// until waits until the screen is as it should be, and returns it.
func (s *screen) until(what string, ok func(screen string) bool) string {
	s.t.Helper()
	for end := time.Now().Add(testproc.Watchdog); ; {
		now := s.run("capture-pane", "-p")
		if ok(now) {
			return now
		}
		if time.Now().After(end) {
			s.t.Fatalf("the screen never shows %s:\n%s", what, now)
		}
		time.Sleep(20 * time.Millisecond) // sleep: between looks at the screen
	}
}

func (s *screen) shows(text string) string {
	s.t.Helper()
	return s.until(text, func(screen string) bool { return strings.Contains(screen, text) })
}

// order returns the names of objects, as they stand on the screen.
func order(screen string, names ...string) (got []string) {
	for line := range strings.Lines(screen) {
		for _, n := range names {
			if strings.HasPrefix(line, n+" ") {
				got = append(got, n)
			}
		}
	}
	return got
}

// A person looks at processes at work, sorts, and watches objects come and go.
func TestTop(t *testing.T) {
	testproc.NeedTool(t, "tmux")
	busy, one := start(t, "busy", "busy")
	holder, two := start(t, "holder", "held")
	many, value, later := one+"-many", one+"-value", one+"-later"
	s := open(t, "160", "20", "top", "-d", "0.2", many, value, two, later)

	s.until("rates", func(screen string) bool {
		for line := range strings.Lines(screen) {
			f := strings.Fields(line)
			if len(f) > 3 && f[0] == many && f[1] == "ring" && f[2] != "-" && f[2] != "0" {
				return true
			}
		}
		return false
	})
	sorted := func(by string, first ...string) {
		t.Helper()
		s.until("objects "+by, func(screen string) bool {
			got := order(screen, many, value, two)
			return strings.Contains(screen, "3 objects, "+by) && len(got) == 3 && slices.Equal(got[:len(first)], first)
		})
	}
	sorted("by name", many, value, two)
	s.keys("h")
	sorted("by held", two)
	s.keys("m")
	sorted("by messages", many)

	o, err := shm.NewObject[point](later, nil)
	require.NoError(t, err)
	s.shows(later)
	require.NoError(t, o.Unlink())
	require.NoError(t, o.Close())
	s.until("that it went", func(screen string) bool { return !strings.Contains(screen, later) })

	holder.Kill()
	holder.Wait()
	s.shows("owner died")
	busy.Kill()
	busy.Wait()

	// A small terminal, and a large one again.
	s.run("resize-window", "-x", "30", "-y", "3")
	s.until("one cut line", func(screen string) bool { return strings.Contains(screen, "…") })
	s.run("resize-window", "-x", "160", "-y", "20")
	s.shows("q quit")

	s.keys("q")
	screen := s.shows("ended with 0")
	require.NotContains(t, screen, "MSG/S", "the alternate screen is left")
}

// Signals end it in order, too.
func TestTopInterrupted(t *testing.T) {
	s := open(t, "80", "10", "top")
	s.shows("q quit")
	s.keys("C-c")
	s.shows("ended with 0")
}

// Where there is no terminal, frames are plain.
func TestTopPlain(t *testing.T) {
	_, name := start(t, "rings", "filled")
	out, _ := shmkit(t, 0, "top", "-once", "-d", "0.1", "-s", "queued", name+"-ring", name+"-many")
	require.NotContains(t, out, "\x1b")
	require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 3, out)

	cmd := toolCommand("top", "-d", "0.1", name+"-ring")
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	got := ""
	for b := make([]byte, 4096); strings.Count(got, "MSG/S") < 3; {
		n, err := pipe.Read(b)
		require.NoError(t, err)
		got += string(b[:n])
	}
	require.NoError(t, pipe.Close()) // whoever reads has seen enough
	require.Error(t, cmd.Wait())
}

// Frames are as large as the terminal, whatever that is.
func TestFrames(t *testing.T) {
	v := &view{set: describers()}
	for i := range 50 {
		v.now.rows = append(v.now.rows, row{name: "object-" + string(rune('a'+i%26)), kind: "ring", traffic: &describe.Traffic{Messages: 1, Capacity: 10}})
	}
	for _, size := range [][2]int{{80, 24}, {1, 1}, {5, 2}, {200, 100}, {40, 3}, {0, 0}} {
		f := v.frame(size[0], size[1])
		lines := strings.Split(f, "\r\n")
		require.LessOrEqual(t, len(lines), max(size[1], 1), "%v", size)
		for _, l := range lines {
			for _, s := range []string{home, toEnd, below, reverse, normal} {
				l = strings.ReplaceAll(l, s, "")
			}
			if size[0] > 0 {
				require.LessOrEqual(t, len([]rune(l)), size[0], "%v: %q", size, l)
			}
		}
	}
	v.first = 1000
	require.Contains(t, v.frame(80, 24), "object-z", "it scrolls to the end and no further")
	require.True(t, v.press('j'))
	require.False(t, v.press('q'))
}
