package proc

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
)

// A Cmd is a program that is not this one, about to run as a child: a script in
// Python, a tool in C, another Go program. The child is a Process like all
// others; its function is the program. A Cmd is used by one goroutine at a time;
// Start may be called again, for one more process.
type Cmd struct {
	// Path is the program to execute, Args its arguments, beginning with its name;
	// without any they are the Path alone.
	Path string
	Args []string
	// Options are those of Func.Start. AuthKey is not passed on: put what the
	// program needs into Env.
	Options

	err    error // of the search for Path
	passed []passing
}

// passing is what Pass was called with.
type passing struct {
	key   string
	value any
}

// Command returns the Cmd to run the named program, which is looked up in PATH
// unless its name contains a slash. An unknown one makes Start fail with an error
// that wraps exec.ErrNotFound.
func Command(name string, arg ...string) *Cmd {
	c := exec.Command(name)
	return &Cmd{Path: c.Path, Args: append([]string{name}, arg...), err: c.Err}
}

// Pass gives the child a shared object, a role such as a ring's producer, or an
// *os.File, under a key of letters, digits and underscores. A Go program gets it
// with [Passed]. Every program finds it in its environment: for the key "data"
//
//	SHMKIT_DATA=fd=3;kind=shm.segment;size=4096
//
// says that descriptor 3 is a segment of 4096 bytes, ready for mmap. In Python:
//
//	about = dict(f.split("=", 1) for f in os.environ["SHMKIT_DATA"].split(";"))
//	memory = mmap.mmap(int(about["fd"]), int(about["size"]))
//
// The fields, of which only kind is always there, come in this order: fd; kind,
// the type and its package, or "file"; size in bytes, of a file that has one;
// meta, in hexadecimal digits, which a role's new owner needs; name, of a named
// object, which is all that follows. An object of several descriptors has
// SHMKIT_DATA_2 and so on for the others. The bytes behind them are described
// where the types are.
//
// Mistakes in either argument are errors of Start, as is a value that cannot
// travel. Files are put into blocking mode, as os/exec does. The caller may close
// the value after Start; a role belongs to the child from then on and falls vacant
// when the child ends.
func (c *Cmd) Pass(key string, value any) {
	c.passed = append(c.passed, passing{key, value})
}

// Start runs the program and returns once it executes. ctx bounds that. The child
// has the three standard files and what Pass gave it; no other descriptor.
//
// Errors and what they leave are those of Func.Start.
func (c *Cmd) Start(ctx context.Context) (*Process, error) {
	p, err := c.start(ctx)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.argv()[0], err)
	}
	return p, nil
}

func (c *Cmd) argv() []string {
	if len(c.Args) == 0 {
		return []string{c.Path}
	}
	return c.Args
}

func (c *Cmd) start(ctx context.Context) (*Process, error) {
	if c.err != nil {
		return nil, c.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := mayStart(&c.Options); err != nil {
		return nil, err
	}
	luggage, err := c.pack()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArgument, err)
	}
	name := c.Name
	if name == "" {
		name = filepath.Base(c.Path) + "-" + nextPath(Current())
	}
	p := newProcess(name, c.Daemon, luggage.handles())
	if err := c.launch(p, luggage); err != nil {
		p.neverRan()
		return nil, err
	}
	return p, nil
}

// luggage is what a Cmd passes, encoded.
type luggage []packed

type packed struct {
	key   string
	data  []byte
	hs    []handle.Handle
	table handle.Table
	files []*os.File
}

func (l luggage) handles() (hs []handle.Handle) {
	for _, p := range l {
		hs = append(hs, p.hs...)
	}
	return hs
}

// pack encodes what is passed. Each key has a message of its own, so that the
// child can unpack them one by one.
func (c *Cmd) pack() (l luggage, err error) {
	defer func() {
		if err != nil {
			for _, h := range l.handles() {
				h.Failed()
			}
		}
	}()
	seen := []string{handlesEnv, controlEnv}
	for _, v := range c.passed {
		p, err := v.pack()
		if err != nil {
			return l, fmt.Errorf("pass %q: %w", v.key, err)
		}
		l = append(l, p)
		for i := range max(len(p.hs), 1) {
			name := passedEnv(v.key, i)
			if slices.Contains(seen, name) {
				return l, fmt.Errorf("pass %q: %s is taken", v.key, name)
			}
			seen = append(seen, name)
		}
	}
	return l, nil
}

func (v passing) pack() (p packed, err error) {
	if v.key == "" || strings.Trim(strings.ToUpper(v.key), "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return p, fmt.Errorf("a key consists of letters, digits and underscores")
	}
	p.key = v.key
	if f, ok := v.value.(*os.File); ok {
		if f == nil {
			return p, os.ErrInvalid
		}
		p.hs = []handle.Handle{{Kind: fileKind, File: f}}
	} else if p.data, p.hs, err = handle.Encode(func() ([]byte, error) { return codec.Marshal(v.value) }); err != nil {
		return p, err
	}
	p.table, p.files = handle.NewTable(p.hs)
	return p, nil
}
