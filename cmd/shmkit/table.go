package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/shmkit/shmkit/internal/describe"
)

// table prints columns, as wide as they have to be. Those whose title begins with ">"
// are aligned to the right.
type table struct {
	titles []string
	rows   [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) lines() []string {
	right := make([]bool, len(t.titles))
	head := make([]string, len(t.titles))
	width := make([]int, len(t.titles))
	for i, s := range t.titles {
		head[i], right[i] = strings.CutPrefix(s, ">")
		width[i] = utf8.RuneCountInString(head[i])
	}
	for _, r := range t.rows {
		for i, c := range r {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	lines := make([]string, 0, len(t.rows)+1)
	for _, r := range append([][]string{head}, t.rows...) {
		var b strings.Builder
		for i, c := range r {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if right[i] {
				b.WriteString(pad + c)
			} else {
				b.WriteString(c + pad)
			}
			b.WriteString("  ")
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

func (t *table) print(w io.Writer) {
	for _, l := range t.lines() {
		fmt.Fprintln(w, l)
	}
}

// name is an object's name in a table: quoted if it could be mistaken for anything else.
func name(s string) string {
	if s == "" || strings.ContainsAny(s, " \"\\") {
		return strconv.Quote(s)
	}
	return describe.Plain(s)
}

// pids are processes in a table.
func pids(p []int) string {
	const most = 4
	var s []string
	for i, pid := range p {
		if i == most {
			s = append(s, "+"+strconv.Itoa(len(p)-most))
			break
		}
		s = append(s, strconv.Itoa(pid))
	}
	if len(s) == 0 {
		return "-"
	}
	return strings.Join(s, ",")
}
