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
	p := newProcess(m.Name, m.Daemon, hs)
	p.path = m.Path
	p.key = fixedAuthKey(m.AuthKey)
	control, err := launchSelf(p, &m, o)
	if err != nil {
		p.neverRan()
		return nil, err
	}
	defer control.close()
	if err := control.introduce(ctx, p, m); err != nil {
		p.Kill()
		<-p.Done() // what it was given is free again when Start returns
		return nil, err
	}
	for _, h := range hs {
		h.Arrived()
	}
	return p, nil
}

// launchSelf starts this program again as p, and completes m.
func launchSelf(p *Process, m *bootstrap, o *Options) (c control, err error) {
	control, theirs, err := newControl()
	if err != nil {
		return c, err
	}
	defer func() {
		if err != nil {
			control.close()
		}
	}()
	var fds descriptors
	defer fds.close() // or the control connection would not end with the child
	fds.addStdio(o)
	fds.add(theirs)
	report, theirs, err := newReport()
	if err != nil {
		return c, err
	}
	p.report = func() []byte { return readReport(report) }
	fds.add(theirs)
	table, files := handle.NewTable(p.handles)
	m.Handles = table
	for _, f := range files {
		if err := fds.addFile(f); err != nil {
			return c, fmt.Errorf("%w: duplicate descriptor: %w", ErrArgument, err)
		}
	}
	mark, err := controlMark(int(fds.list[controlFD]), len(files))
	if err != nil {
		return c, err
	}
	p.wakeStart = control.wake
	err = p.launch(image{
		path: program,
		args: os.Args[:1],
		// Of two variables of one name Go takes the first.
		env: append([]string{controlEnv + "=" + mark}, o.environ()...),
		dir: o.Dir,
		fds: fds.list,
	}, o.Cancel)
	return control, err
}

// An image is what a process is made of.
type image struct {
	path string
	args []string
	env  []string
	dir  string
	fds  []uintptr // the child's descriptors, from 0 on
}

// launch makes p live. When it fails, nothing has happened.
func (p *Process) launch(im image, cancel context.Context) error {
	pid, pidfd, err := im.fork(p.daemon)
	if err != nil {
		return fmt.Errorf("execute %s: %w", im.path, err)
	}
	p.pid = pid
	for _, h := range p.handles {
		h.Sent(pid)
	}
	if cancel != nil {
		p.stop = context.AfterFunc(cancel, func() { p.Kill() })
	}
	rememberChild(p)
	go p.watch(pidfd)
	return nil
}

// fork starts a child. The pidfd is -1 where there are none.
func (im image) fork(daemon bool) (pid, pidfd int, err error) {
	pidfd = -1 // and so it stays where the kernel has none
	pidfdWanted := &pidfd
	if refusePidFDs {
		pidfdWanted = nil
	}
	attr := &syscall.ProcAttr{
		Dir:   im.dir,
		Env:   im.env,
		Files: im.fds,
		Sys:   &syscall.SysProcAttr{PidFD: pidfdWanted},
	}
	start := func() {
		pid, _, err = syscall.StartProcess(im.path, im.args, attr)
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
	reportFD      = 4
	firstHandleFD = 5
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
