package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/shm"
)

// entry is a line of ls in JSON.
type entry struct {
	Name      string     `json:"name"`
	Kind      string     `json:"kind"`
	Size      int64      `json:"size"`
	Allocated int64      `json:"allocated"`
	Mode      string     `json:"mode,omitempty"`
	UID       int        `json:"uid"`
	GID       int        `json:"gid"`
	Created   *time.Time `json:"created,omitempty"`
	Ours      bool       `json:"ours"`
	Owner     string     `json:"owner"`
	Creator   int        `json:"creator,omitempty"`
	Attached  []int      `json:"attached"`
	Orphan    bool       `json:"orphan"`
	Anonymous bool       `json:"anonymous,omitempty"`
	Error     string     `json:"error,omitempty"`
}

func prepareLs(t *tool, f *flag.FlagSet) func([]string) error {
	all := f.Bool("a", false, "also the anonymous objects of running processes, by PID:FD")
	asJSON := f.Bool("json", false, "print a JSON array")
	return func(wanted []string) error {
		entries, err := list(*all || len(wanted) > 0, wanted)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(t, entries)
		}
		printEntries(t, entries)
		return nil
	}
}

// list is what ls shows: these objects, or if there are none, all named ones.
func list(anonymous bool, wanted []string) ([]entry, error) {
	infos, err := shm.List()
	if err != nil {
		return nil, err
	}
	entries := []entry{} // not null
	set := describers()
	found := map[string]bool{}
	skip := func(name string) bool {
		found[name] = true
		return len(wanted) > 0 && !slices.Contains(wanted, name)
	}
	for _, i := range infos {
		if skip(i.Name) {
			continue
		}
		e := entryOf(i)
		if e.Kind == "segment" || e.Kind == "file" {
			if kind := kindOf(set, i.Name); kind != "segment" {
				e.Kind = kind
			}
		}
		entries = append(entries, e)
	}
	if anonymous {
		entries = append(entries, anonymousEntries(set, skip)...)
	}
	for _, w := range wanted {
		if !found[w] {
			return nil, notThere(w)
		}
	}
	return entries, nil
}

func anonymousEntries(set *describe.Set, skip func(string) bool) (entries []entry) {
	for _, a := range memfds() {
		if skip(a.address) {
			continue
		}
		e := entry{
			Name: a.address, Kind: "anonymous", Size: a.size, Allocated: a.memory,
			Ours: true, Owner: "kernel", Attached: a.users, Anonymous: true,
		}
		if o, err := look(set, a.address); err != nil {
			e.Error = err.Error()
		} else {
			e.Kind = o.Kind
			if !o.Foreign {
				e.Creator = int(o.Spec.Creator)
			}
			o.close()
		}
		entries = append(entries, e)
	}
	return entries
}

// kindOf is the kind of what has no header, "segment" if nothing is known.
func kindOf(set *describe.Set, name string) string {
	o, err := look(set, name)
	if err != nil {
		return "segment"
	}
	defer o.close()
	return o.Kind
}

func entryOf(i shm.Info) entry {
	e := entry{
		Name: i.Name, Kind: i.Kind, Size: i.Size, Allocated: i.Allocated, Mode: modeOf(i.Mode), UID: i.UID, GID: i.GID,
		Ours: i.Ours, Owner: i.Owner.String(), Creator: i.Creator, Attached: i.Attached, Orphan: i.Orphan,
	}
	if e.Attached == nil {
		e.Attached = []int{}
	}
	if !i.Created.IsZero() {
		e.Created = &i.Created
	}
	if i.Err != nil {
		e.Error = i.Err.Error()
	}
	return e
}

func modeOf(m fs.FileMode) string { return fmt.Sprintf("%#o", m.Perm()) }

func printEntries(t *tool, entries []entry) {
	tab := table{titles: []string{"NAME", "KIND", ">SIZE", ">MEMORY", "OWNER", "CREATOR", "ATTACHED", "STATE"}}
	for _, e := range entries {
		state := "in use"
		switch {
		case e.Orphan:
			state = "orphan"
		case e.Error != "":
			state = describe.Plain(e.Error)
		case !e.Ours:
			state = "not ours"
		case len(e.Attached) == 0:
			state = "unused"
		}
		creator := "-"
		if e.Creator != 0 {
			creator = strconv.Itoa(e.Creator)
		}
		tab.add(name(e.Name), e.Kind, describe.Bytes(e.Size), describe.Bytes(e.Allocated), e.Owner, creator, pids(e.Attached), state)
	}
	tab.print(t.out)
}

func printJSON(t *tool, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(t.out, printableJSON(b)+"\n")
	return err
}

// printableJSON escapes what a terminal could take for a command, which stands in strings
// only.
func printableJSON(b []byte) string {
	var s strings.Builder
	for _, r := range string(b) {
		if r >= 0x7f && !unicode.IsPrint(r) {
			for _, half := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&s, "\\u%04x", half)
			}
			continue
		}
		s.WriteRune(r)
	}
	return s.String()
}
