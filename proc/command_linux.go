package proc

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// launch executes the program as p.
func (c *Cmd) launch(p *Process, l luggage) error {
	var fds descriptors
	defer fds.close()
	fds.addStdio(&c.Options)
	env, err := l.unload(&fds)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrArgument, err)
	}
	return p.launch(image{
		path: c.Path,
		args: c.argv(),
		env:  overlay(env, c.environ()),
		dir:  c.Dir,
		fds:  fds.list,
	}, c.Cancel)
}

// unload adds the descriptors, and returns the variables that tell of them.
func (l luggage) unload(fds *descriptors) (env []string, err error) {
	wire := make(wireLuggage)
	for _, p := range l {
		w := wirePacked{Data: p.data, Handles: p.table}
		var sizes []int64
		for _, f := range p.files {
			if err := fds.addFile(f); err != nil {
				return nil, fmt.Errorf("pass %q: duplicate descriptor: %w", p.key, err)
			}
			here := int(fds.list[len(fds.list)-1])
			if p.table[0].Kind == fileKind {
				unix.SetNonblock(here, false)
			}
			var st unix.Stat_t
			if err := unix.Fstat(here, &st); err != nil {
				return nil, os.NewSyscallError("fstat", err)
			}
			w.Files = append(w.Files, wireFile{len(fds.list) - 1, st.Dev, st.Ino})
			sizes = append(sizes, sizeOf(&st))
		}
		for i, e := range p.table {
			fd, size := -1, int64(-1)
			if e.File >= 0 {
				fd, size = w.Files[e.File].FD, sizes[e.File]
			}
			env = append(env, passedEnv(p.key, i)+"="+describe(e, fd, size))
		}
		wire[p.key] = w
	}
	if len(l) == 0 {
		return nil, nil
	}
	all, err := wire.encode()
	return append(env, all), err
}

func sizeOf(st *unix.Stat_t) int64 {
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		return st.Size
	}
	return -1
}

// overlay returns env in front of those of base that it does not replace. Nobody
// is left with an older generation's.
func overlay(env, base []string) []string {
	names := []string{handlesEnv}
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, name)
	}
	for _, v := range base {
		if name, _, _ := strings.Cut(v, "="); !slices.Contains(names, name) {
			env = append(env, v)
		}
	}
	return env
}

// inherited reports whether the descriptor is the one that the parent passed,
// and keeps it from this process's own children.
func (f wireFile) inherited() bool {
	var st unix.Stat_t
	if f.FD < 3 || unix.Fstat(f.FD, &st) != nil || st.Dev != f.Dev || st.Ino != f.Ino {
		return false
	}
	unix.CloseOnExec(f.FD)
	return true
}
