package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/plain"
)

const defaultDump = 64 << 10

func prepareDump(t *tool, f *flag.FlagSet) func([]string) error {
	from := f.Int64("o", 0, "begin at this `offset` in bytes")
	n := f.Int64("n", defaultDump, "print at most so many `bytes`, holes not counted; 0 for all")
	return func(args []string) error {
		if *from < 0 || *n < 0 {
			return fmt.Errorf("%w: a negative number", errUsage)
		}
		o, err := look(describers(), args[0])
		if err != nil {
			return err
		}
		defer o.close()
		if *n == 0 {
			*n = o.File.Size()
		}
		w := bufio.NewWriter(t.out)
		d := dumper{w: w, o: o, set: describers(), pos: *from, budget: *n}
		err = d.run()
		if e := w.Flush(); err == nil {
			err = e
		}
		return err
	}
}

// dumper prints a file from pos on.
//
// Each line is an offset, up to 16 bytes, and what they are. Of lines of zeros that follow
// each other the first one is printed, and a star for the others.
type dumper struct {
	w      io.Writer
	o      *object
	set    *describe.Set
	pos    int64
	budget int64 // bytes that may be printed
	zeros  int   // lines of zeros that were just seen
	err    error
}

const dumpLine = 16

func (d *dumper) run() error {
	parts := slices.Clone(d.o.Parts)
	slices.SortStableFunc(parts, func(a, b describe.Part) int {
		return int(min(max(a.Offset-b.Offset, -1), 1))
	})
	for _, p := range parts {
		d.raw(p.Offset, "")
		d.value(p.Name, p.Offset, p.Layout)
	}
	d.raw(d.o.File.Size(), "")
	d.unfold()
	if left := d.o.File.Size() - d.pos; d.err == nil && left > 0 {
		fmt.Fprintf(d.w, "%08x  … %d bytes more: -o %d\n", d.pos, left, d.pos)
	}
	return d.err
}

func (d *dumper) done() bool { return d.err != nil || d.budget <= 0 || d.pos >= d.o.File.Size() }

// skip jumps over a hole, up to end, and says whether there was one.
func (d *dumper) skip(end int64) bool {
	next := min(describe.NextData(d.o.f, d.pos, d.o.File.Size()), end)
	if next <= d.pos {
		return false
	}
	d.unfold()
	fmt.Fprintf(d.w, "%08x  a hole of %d bytes\n", d.pos, next-d.pos)
	d.pos = next
	return true
}

// raw prints the bytes up to end, if they were not printed yet.
func (d *dumper) raw(end int64, name string) {
	end = min(end, d.o.File.Size())
	for !d.done() && d.pos < end {
		if d.skip(end) {
			continue
		}
		d.line(min(dumpLine-d.pos%dumpLine, end-d.pos), name, nil)
		name = ""
	}
}

// value prints what lies at off, as far as it was not printed yet.
func (d *dumper) value(name string, off int64, l *plain.Layout) {
	end := off + l.Size
	if d.done() || end <= d.pos {
		return
	}
	if in := d.set.Inside(l); in != nil {
		l = in
	}
	switch {
	case l.Elem != nil && (l.Elem.Name != "uint8" || !l.Elem.Basic()):
		d.elements(name, off, l)
	case l.Fields != nil:
		for _, f := range l.Fields {
			d.raw(off+f.Offset, "")
			if f.Name == "_" {
				d.raw(off+f.Offset+f.Layout.Size, "")
				continue
			}
			d.value(name+"."+f.Name, off+f.Offset, f.Layout)
		}
	case l.Basic() && l.Size <= dumpLine && d.pos == off && off+l.Size <= d.o.File.Size() && !d.skip(end):
		d.line(l.Size, name, l)
	}
	d.raw(end, name)
}

func (d *dumper) elements(name string, off int64, l *plain.Layout) {
	size := l.Elem.Size
	if size == 0 {
		return
	}
	for i := (max(d.pos, off) - off) / size; i < l.Len && !d.done(); {
		d.value(name+"["+strconv.FormatInt(i, 10)+"]", off+i*size, l.Elem)
		if !d.done() && d.pos < off+l.Size {
			d.skip(off + l.Size)
		}
		i = max(i+1, (d.pos-off)/size)
	}
}

// line prints n bytes, at most 16.
func (d *dumper) line(n int64, name string, l *plain.Layout) {
	b, err := d.o.File.Read(d.pos, n)
	if err != nil {
		d.err = err
		return
	}
	at := d.pos
	d.pos += n
	d.budget -= n
	if len(bytes.Trim(b, "\x00")) == 0 {
		if d.zeros++; d.zeros > 1 {
			return
		}
	} else {
		d.unfold()
	}
	what := describe.Plain(name)
	if l != nil {
		if v := describe.Basic(l.Name, b); v != nil {
			what += " = " + describe.Text(v)
		}
	} else {
		what = strings.TrimSpace("|" + printable(b) + "|  " + what)
	}
	fmt.Fprintf(d.w, "%08x  %-47s  %s\n", at, strings.TrimRight(spaced(b), " "), what)
}

// unfold ends a row of lines of zeros.
func (d *dumper) unfold() {
	if d.zeros > 1 {
		fmt.Fprintln(d.w, "*")
	}
	d.zeros = 0
}

func spaced(b []byte) string { return fmt.Sprintf("% x", b) }

func printable(b []byte) string {
	s := make([]byte, len(b))
	for i, c := range b {
		if s[i] = '.'; c >= ' ' && c < 0x7f {
			s[i] = c
		}
	}
	return string(s)
}
