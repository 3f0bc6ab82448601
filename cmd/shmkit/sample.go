package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/shm"
)

// row is what top shows of an object.
type row struct {
	name, kind  string
	id          [16]byte // tells it from another one of the same name
	traffic     *describe.Traffic
	messages    float64 // a second
	bytes       float64
	rated       bool // they are known
	waiters     int
	held, dead  int
	holder      string // one of those who hold something
	err         string
	attachments int
}

// sample is all objects at about one moment.
type sample struct {
	at   time.Time
	rows []row
	err  error
}

// take looks at all objects, or those that are wanted. Those that go meanwhile are left out.
func take(set *describe.Set, wanted []string) sample {
	s := sample{at: time.Now()}
	skip := func(name string) bool { return len(wanted) > 0 && !slices.Contains(wanted, name) }
	infos, err := shm.List()
	s.err = err
	for _, i := range infos {
		if skip(i.Name) || i.Kind == "file" && len(wanted) == 0 {
			continue
		}
		if o, err := look(set, i.Name); err == nil {
			s.rows = append(s.rows, rowOf(o, len(i.Attached)))
			o.close()
		} else if i.Ours {
			s.rows = append(s.rows, row{name: i.Name, kind: i.Kind, err: err.Error()})
		}
	}
	for _, a := range memfds() {
		if skip(a.address) {
			continue
		}
		if o, err := look(set, a.address); err == nil {
			s.rows = append(s.rows, rowOf(o, len(a.users)))
			o.close()
		}
	}
	return s
}

func rowOf(o *object, users int) row {
	r := row{name: o.name, kind: o.Kind, id: o.Spec.ID, traffic: o.Traffic, waiters: o.Waiters, attachments: users}
	for _, l := range o.Locks {
		switch l.State {
		case robust.HolderLives:
			r.held++
			if r.holder == "" {
				r.holder = l.Path + " by " + strconv.Itoa(l.PID)
				if l.Process == "is stopped" {
					r.holder += " (stopped)"
				}
			}
		case robust.HolderDied, robust.HolderLost:
			r.dead++
			r.holder = l.Path + ": owner died"
		}
	}
	if n := o.Root.Find("error"); n != nil {
		r.err = describe.Text(n.Value)
	}
	return r
}

// rate fills in how much went through since an earlier sample.
func (s *sample) rate(before sample) {
	elapsed := s.at.Sub(before.at).Seconds()
	if elapsed <= 0 {
		return
	}
	for i := range s.rows {
		r := &s.rows[i]
		at := slices.IndexFunc(before.rows, func(b row) bool { return b.name == r.name && b.id == r.id })
		if at < 0 || r.traffic == nil || before.rows[at].traffic == nil {
			continue
		}
		b := before.rows[at].traffic
		r.rated = true
		r.messages = float64(int64(r.traffic.Messages-b.Messages)) / elapsed
		r.bytes = float64(int64(r.traffic.Bytes-b.Bytes)) / elapsed
	}
}

// columns are what top can be sorted by, with the key that does it.
var columns = []struct {
	name string
	key  byte
	less func(a, b row) int
}{
	{"name", 'n', func(a, b row) int { return 0 }},
	{"messages", 'm', func(a, b row) int { return cmp.Compare(b.messages, a.messages) }},
	{"bytes", 'b', func(a, b row) int { return cmp.Compare(b.bytes, a.bytes) }},
	{"queued", 'u', func(a, b row) int { return cmp.Compare(b.queued(), a.queued()) }},
	{"waiters", 'w', func(a, b row) int { return cmp.Compare(b.waiters, a.waiters) }},
	{"held", 'h', func(a, b row) int { return cmp.Or(cmp.Compare(b.dead, a.dead), cmp.Compare(b.held, a.held)) }},
}

func (r row) queued() int {
	if r.traffic == nil {
		return -1
	}
	return r.traffic.Queued
}

// sorted orders the rows by a column, and within it by name.
func (s *sample) sorted(column int) {
	slices.SortStableFunc(s.rows, func(a, b row) int {
		return cmp.Or(columns[column].less(a, b), strings.Compare(a.name, b.name))
	})
}

// lines are the table that top shows, its titles first.
func (s *sample) lines() []string {
	tab := table{titles: []string{"NAME", "KIND", ">MSG/S", ">BYTES/S", ">QUEUED", ">USED", ">USERS", ">WAIT", ">HELD", ">DIED", "WHO"}}
	for _, r := range s.rows {
		messages, bytes, queued, used := "-", "-", "-", "-"
		if r.rated {
			messages, bytes = count(r.messages), describe.Bytes(int64(max(r.bytes, 0)))
		}
		if t := r.traffic; t != nil {
			queued = strconv.Itoa(t.Queued)
			if t.Capacity > 0 {
				used = fmt.Sprintf("%.0f%%", 100*float64(t.Used)/float64(t.Capacity))
			}
		}
		who := r.holder
		if r.err != "" {
			who = r.err
		}
		tab.add(name(r.name), r.kind, messages, bytes, queued, used, strconv.Itoa(r.attachments),
			strconv.Itoa(r.waiters), strconv.Itoa(r.held), strconv.Itoa(r.dead), describe.Plain(who))
	}
	return tab.lines()
}

// count is a rate as people read it.
func count(v float64) string {
	switch v = max(v, 0); {
	case v >= 1e7:
		return fmt.Sprintf("%.1fM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.1fk", v/1e3)
	}
	return fmt.Sprintf("%.0f", v)
}
