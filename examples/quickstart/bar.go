package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// A bar shows progress on a terminal, and nothing elsewhere. It is safe for
// concurrent use.
type bar struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	done     int
	total    int
	drawn    time.Time
}

func newBar(out io.Writer, total int) *bar {
	b := &bar{out: out, total: total}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		b.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return b
}

// add counts one file.
func (b *bar) add() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done++
	if !b.terminal || b.done%64 != 0 || time.Since(b.drawn) < 50*time.Millisecond {
		return
	}
	b.drawn = time.Now()
	const width = 40
	full := width * b.done / b.total
	fmt.Fprintf(b.out, "\r[%s%s] %3d %%", strings.Repeat("=", full), strings.Repeat(" ", width-full), 100*b.done/b.total)
}

// note prints a line above the bar.
func (b *bar) note(text string) {
	b.clear()
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintln(b.out, text)
}

// clear removes the bar.
func (b *bar) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.terminal {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}
