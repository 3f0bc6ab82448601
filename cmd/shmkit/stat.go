package main

import (
	"flag"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/shmfile"
)

func prepareStat(t *tool, f *flag.FlagSet) func([]string) error {
	asJSON := f.Bool("json", false, "print a JSON object")
	return func(args []string) error {
		o, err := look(describers(), args[0])
		if err != nil {
			return err
		}
		defer o.close()
		if *asJSON {
			return printJSON(t, o.node())
		}
		return o.node().Print(t.out)
	}
}

// node is all that stat says.
func (o *object) node() *describe.Node {
	n := &describe.Node{}
	n.Add("name", o.name)
	n.Add("kind", o.Kind)
	if info, ok := shmfile.Stat(o.name); ok && o.named {
		i := n.Group("file")
		e := entryOf(info)
		i.Add("size", e.Size).Set(describe.Bytes(e.Size))
		i.Add("allocated", e.Allocated).Set(describe.Bytes(e.Allocated))
		i.Add("mode", e.Mode)
		i.Add("uid", e.UID)
		i.Add("owner", e.Owner)
		i.Add("orphan", e.Orphan)
		if e.Created != nil {
			i.Add("created", e.Created.UTC().Format("2006-01-02T15:04:05Z"))
		}
		users(i, "attached", e.Attached)
		if e.Error != "" {
			i.Add("error", e.Error)
		}
	}
	users(n, "opened by", o.users)
	n.Kids = append(n.Kids, o.Root.Kids...)
	if len(o.Locks) > 0 {
		l := n.Group("held")
		for _, lock := range o.Locks {
			l.Add(lock.Path, lock.String())
		}
	}
	return n
}

// users lists processes.
func users(n *describe.Node, what string, pids []int) {
	if pids == nil {
		return
	}
	k := n.Group(what)
	k.List = true
	if len(pids) == 0 {
		k.Note = "by nobody"
	}
	for _, pid := range pids {
		k.Add("pid", pid).Set(command0(pid))
	}
}
