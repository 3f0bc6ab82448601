package proc

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/robust"
)

// program is this very program, also when the file on disk has been replaced.
const program = "/proc/self/exe"

// refusePidFDs makes tests meet what some containers do.
var refusePidFDs bool

// spawn starts a child and gives it m and hs.
func spawn(ctx context.Context, m bootstrap, hs []handle.Handle, o *Options) (*Process, error) {
	sent := false
	defer func() {
		if !sent {
			for _, h := range hs {
				h.Failed()
			}
		}
	}()

	control, theirs, err := newControl()
	if err != nil {
		return nil, err
	}
	defer control.close()

	var fds descriptors
	defer fds.close()
	fds.addStdio(o)
	fds.add(theirs)
	table, files := handle.NewTable(hs)
	m.Handles = table
	for _, f := range files {
		if err := fds.addFile(f); err != nil {
			return nil, fmt.Errorf("%w: duplicate descriptor: %w", ErrArgument, err)
		}
	}
	mark, err := controlMark(theirs, len(fds.list)-firstHandleFD)
	if err != nil {
		return nil, err
	}

	pid, pidfd, err := fork(fds.list, mark, m.Daemon, o)
	if err != nil {
		return nil, fmt.Errorf("execute %s: %w", program, err)
	}
	sent = true
	for _, h := range hs {
		h.Sent(pid)
	}
	fds.close() // or the control connection would not end with the child

	p := &Process{
		pid:       pid,
		name:      m.Name,
		path:      m.Path,
		daemon:    m.Daemon,
		done:      make(chan struct{}),
		handles:   hs,
		wakeStart: control.wake,
		stop:      func() bool { return true },
	}
	if o.Cancel != nil {
		p.stop = context.AfterFunc(o.Cancel, func() { p.Kill() })
	}
	rememberChild(p)
	go p.watch(pidfd)

	if err := control.introduce(ctx, p, m); err != nil {
		p.Kill() // the watcher collects it
		return nil, err
	}
	return p, nil
}

// fork starts this program again. The child's descriptors are fds, from 0 on.
func fork(fds []uintptr, mark string, daemon bool, o *Options) (pid, pidfd int, err error) {
	env := o.Env
	if env == nil {
		env = os.Environ()
	}
	pidfd = -1 // and so it stays where the kernel has none
	pidfdWanted := &pidfd
	if refusePidFDs {
		pidfdWanted = nil
	}
	attr := &syscall.ProcAttr{
		Dir: o.Dir,
		// Of two variables of one name Go takes the first.
		Env:   append([]string{controlEnv + "=" + mark}, env...),
		Files: fds,
		Sys:   &syscall.SysProcAttr{PidFD: pidfdWanted},
	}
	start := func() {
		pid, _, err = syscall.StartProcess(program, os.Args[:1], attr)
	}
	if daemon {
		// The kernel sends this signal when the thread ends that made the
		// child, so it has to be one that lives as long as the process. Nobody
		// is missed: syscall looks again for the parent after asking for the
		// signal, and Main once more.
		attr.Sys.Pdeathsig = syscall.SIGKILL
		if kerr := robust.OnKeeper(start); kerr != nil {
			return 0, -1, kerr
		}
	} else {
		start()
	}
	return pid, pidfd, err
}

// descriptors are duplicates that a child inherits, in their order there. They
// are plain numbers because os.File.Fd would make them blocking for everybody.
type descriptors struct{ list []uintptr }

// The child's descriptors after the standard three.
const (
	controlFD     = 3
	firstHandleFD = 4
)

func (d *descriptors) add(fd int) { d.list = append(d.list, uintptr(fd)) }

func (d *descriptors) addFile(f *os.File) error {
	fd, err := handle.DupFD(f)
	if err == nil {
		d.add(fd)
	}
	return err
}

// addStdio adds the standard three. One that is closed or nil here must not
// keep a child from starting, nor leave a hole that something else falls into.
// All others expect them to be blocking: the Go runtime, which would cut off the
// trace of a panic, and the programs that a child runs.
func (d *descriptors) addStdio(o *Options) {
	for fd, f := range []*os.File{o.Stdin, or(o.Stdout, os.Stdout), or(o.Stderr, os.Stderr)} {
		if f != nil && d.addFile(f) == nil {
			unix.SetNonblock(int(d.list[fd]), false)
			continue
		}
		null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			null = -1 // closed in the child, whose Go runtime opens it again or gives up
		}
		d.add(null)
	}
}

func (d *descriptors) close() {
	for _, fd := range d.list {
		if int(fd) >= 0 {
			unix.Close(int(fd))
		}
	}
	d.list = nil
}

func or(f, g *os.File) *os.File {
	if f != nil {
		return f
	}
	return g
}

func kill(pid int, s syscall.Signal) error { return syscall.Kill(pid, s) }
