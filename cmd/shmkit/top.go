package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/shmkit/shmkit/internal/describe"
)

func prepareTop(t *tool, f *flag.FlagSet) func([]string) error {
	once := f.Bool("once", false, "print one frame, with the rates of one interval, and end")
	by := f.String("s", "name", "sort by this `column`: name, messages, bytes, queued, waiters or held")
	every := f.Float64("d", 1, "`seconds` between frames, at least 0.1")
	return func(wanted []string) error {
		v := &view{set: describers(), wanted: wanted, every: time.Duration(max(*every, 0.1) * float64(time.Second)), column: -1}
		for i, c := range columns {
			if c.name == *by {
				v.column = i
			}
		}
		if v.column < 0 || *every > 3600 {
			return fmt.Errorf("%w: sort by %q every %g seconds", errUsage, *by, *every)
		}
		screen, ok := t.out.(*os.File)
		if *once || !ok || !term.IsTerminal(int(screen.Fd())) {
			return v.plain(t, *once)
		}
		return v.live(t.in, screen)
	}
}

// view is what top shows.
type view struct {
	set    *describe.Set
	wanted []string // objects, all if there are none
	every  time.Duration
	column int
	first  int // row at the top
	now    sample
}

// next takes a new sample.
func (v *view) next() {
	s := take(v.set, v.wanted)
	s.rate(v.now)
	v.now = s
}

// plain prints frames one after the other.
func (v *view) plain(t *tool, once bool) error {
	v.next()
	for {
		time.Sleep(v.every)
		v.next()
		v.now.sorted(v.column)
		frame := strings.Join(v.now.lines(), "\n") + "\n"
		if !once {
			frame += "\n"
		}
		if _, err := fmt.Fprint(t.out, frame); err != nil || once {
			return err
		}
	}
}

// Sequences for the terminal, as all terminals of today understand them.
const (
	enter   = "\x1b[?1049h\x1b[?25l" // the alternate screen, without a cursor
	leave   = "\x1b[?25h\x1b[?1049l"
	home    = "\x1b[H"
	toEnd   = "\x1b[K" // of the line
	below   = "\x1b[J" // and all lines after it
	reverse = "\x1b[7m"
	normal  = "\x1b[0m"
)

// live draws on the terminal until q is pressed, or a signal ends it.
func (v *view) live(in, screen *os.File) (err error) {
	keys := make(chan byte)
	if term.IsTerminal(int(in.Fd())) {
		old, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return fmt.Errorf("prepare the terminal: %w", err)
		}
		defer term.Restore(int(in.Fd()), old)
		go readKeys(in, keys)
	}
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, endings()...)
	defer signal.Stop(ends)
	resized := make(chan os.Signal, 1)
	notifyResize(resized)
	defer signal.Stop(resized)

	fmt.Fprint(screen, enter)
	defer fmt.Fprint(screen, leave)
	ticks := time.NewTicker(v.every)
	defer ticks.Stop()
	v.next()
	for {
		if err := v.draw(screen); err != nil {
			return err // the terminal is gone
		}
		select {
		case <-ends:
			return nil
		case <-resized:
		case <-ticks.C:
			v.next()
		case k, ok := <-keys:
			if !ok || !v.press(k) {
				return nil
			}
		}
	}
}

func readKeys(in *os.File, keys chan<- byte) {
	defer close(keys)
	var b [1]byte
	for {
		if n, err := in.Read(b[:]); err != nil || n == 0 {
			return
		}
		keys <- b[0]
	}
}

// press acts on a key, and says whether to go on.
func (v *view) press(k byte) bool {
	const interrupt = 3 // ctrl-C, which raw terminals do not turn into a signal
	switch k {
	case 'q', 'Q', interrupt:
		return false
	case 'j':
		v.first++
	case 'k':
		v.first--
	case ' ':
		v.next()
	}
	for i, c := range columns {
		if c.key == k {
			v.column, v.first = i, 0
		}
	}
	return true
}

// draw shows as much as fits.
func (v *view) draw(screen *os.File) error {
	width, height, err := term.GetSize(int(screen.Fd()))
	if err != nil {
		return fmt.Errorf("size of the terminal: %w", err)
	}
	_, err = screen.WriteString(v.frame(width, height))
	return err
}

// frame is a screen of that size.
func (v *view) frame(width, height int) string {
	v.now.sorted(v.column)
	lines := v.now.lines()
	room := max(height-3, 0)
	v.first = max(min(v.first, len(lines)-1-room), 0)
	rows := lines[1+v.first : min(1+v.first+room, len(lines))]

	status := fmt.Sprintf("shmkit  %s  %d objects, by %s", v.now.at.Format("15:04:05"), len(v.now.rows), columns[v.column].name)
	if v.now.err != nil {
		status += "  " + describe.Plain(v.now.err.Error())
	}
	var b strings.Builder
	b.WriteString(home)
	put := func(s, before, after string) {
		fmt.Fprintf(&b, "%s%s%s%s", before, cut(s, width), after, toEnd)
	}
	all := append([]string{status, lines[0]}, rows...)
	all = append(all, "q quit  sort: n name  m messages  b bytes  u queued  w waiters  h held  scroll: j k")
	for i, s := range all[:min(len(all), max(height, 1))] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		if i == 1 {
			put(s, reverse, normal)
		} else {
			put(s, "", "")
		}
	}
	b.WriteString(below)
	return b.String()
}

// cut shortens a line to the width of the terminal.
func cut(s string, width int) string {
	if width <= 0 || utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}
