package bar

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/shmkit/shmkit/proc/pool"
)

// On returns what draws a bar on a terminal, and removes it in the end. If f is none,
// nothing is drawn.
func On(f *os.File) func(pool.Progress) {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func(pool.Progress) {}
	}
	return To(f)
}

// To is On for whatever can be written to, as if it were a terminal.
func To(w io.Writer) func(pool.Progress) {
	return func(p pool.Progress) {
		if p.Over {
			fmt.Fprint(w, "\r\x1b[K")
			return
		}
		fmt.Fprintf(w, "\r\x1b[K%s", Line(p))
	}
}

const width = 30

// Line is the bar as text: how much is done, how fast, how many have failed, and how long
// it will take if it goes on like this.
func Line(p pool.Progress) string {
	rate := 0.0
	if p.Elapsed > 0 {
		rate = float64(p.Done) / p.Elapsed.Seconds()
	}
	var b strings.Builder
	if p.Total > 0 {
		done := min(p.Done, p.Total)
		full := width * done / p.Total
		fmt.Fprintf(&b, "[%s%s] %d of %d", strings.Repeat("=", full), strings.Repeat(" ", width-full), done, p.Total)
	} else {
		fmt.Fprintf(&b, "%d", p.Done)
	}
	fmt.Fprintf(&b, ", %.0f/s", rate)
	if p.Failed > 0 {
		fmt.Fprintf(&b, ", %d failed", p.Failed)
	}
	if left := p.Total - p.Done; left > 0 && rate > 0 {
		fmt.Fprintf(&b, ", %v left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
	}
	return b.String()
}
