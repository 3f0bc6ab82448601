package testproc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proc is a child process that runs a helper.
type Proc struct {
	Cmd *exec.Cmd
	PID int

	t      testing.TB
	name   string
	stdin  *os.File // the test's ends
	stdout *os.File
	lines  *bufio.Reader
	stderr *os.File

	exited chan struct{}
	state  *os.ProcessState // valid once exited is closed
	dump   sync.Once
}

// Option changes how a child is started.
type Option func(*start)

type start struct {
	binary string
	args   []string
	files  []*os.File
	env    []string
	wrap   []string // a program, with arguments, that runs the binary
}

// Args gives the helper Child.Args.
func Args(args ...string) Option {
	return func(s *start) { s.args = append(s.args, args...) }
}

// Files gives the helper descriptors, Child.Files. The test keeps its own.
func Files(files ...*os.File) Option {
	return func(s *start) { s.files = append(s.files, files...) }
}

// Env adds KEY=VALUE pairs to the child's environment.
func Env(pairs ...string) Option {
	return func(s *start) { s.env = append(s.env, pairs...) }
}

// Binary starts another test binary than this one, which has to register the
// same helper.
func Binary(path string) Option {
	return func(s *start) { s.binary = path }
}

// Start starts a child that runs the named helper. It is killed, if need be,
// when the test ends; what it wrote to stderr is logged if the test failed.
func Start(t testing.TB, name string, opts ...Option) *Proc {
	t.Helper()
	Need(t, "Linux, to start processes", supported)
	if !registry.use(name) {
		t.Fatalf("testproc: no helper %q in this binary", name)
	}
	s := start{binary: self}
	for _, o := range opts {
		o(&s)
	}
	p := &Proc{t: t, name: name, exited: make(chan struct{})}
	if err := p.start(&s); err != nil {
		t.Fatalf("testproc: start helper %q: %v", name, err)
	}
	t.Cleanup(p.cleanup)
	return p
}

// self survives the removal of the test binary, which `go test` does not do
// while it runs, but a user may.
const self = "/proc/self/exe"

func (p *Proc) start(s *start) (err error) {
	var theirs []*os.File
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	inR, inW := pipe()
	outR, outW := pipe()
	p.stdin, p.stdout = inW, outR
	theirs = append(theirs, inR, outW)
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
		if err != nil {
			p.closeFiles()
		}
	}()
	if err != nil {
		return err
	}
	if p.stderr, err = os.CreateTemp("", "testproc"); err != nil {
		return err
	}
	// Only the descriptor is wanted.
	if err = os.Remove(p.stderr.Name()); err != nil {
		return err
	}
	p.lines = bufio.NewReader(p.stdout)
	p.Cmd = exec.Command(s.binary, s.args...)
	if s.wrap != nil {
		binary := s.binary
		if binary == self { // the wrapper's would be another
			if binary, err = os.Executable(); err != nil {
				return err
			}
		}
		p.Cmd = exec.Command(s.wrap[0], slices.Concat(s.wrap[1:], []string{binary}, s.args)...)
	}
	p.Cmd.Stdin, p.Cmd.Stdout, p.Cmd.Stderr = inR, outW, p.stderr
	p.Cmd.ExtraFiles = s.files
	p.Cmd.Env = append(os.Environ(), s.env...)
	p.Cmd.Env = append(p.Cmd.Env, envHelper+"="+p.name, fmt.Sprintf("%s=%d", envFiles, len(s.files)))
	if err = startBound(p.Cmd); err != nil {
		return err
	}
	p.PID = p.Cmd.Process.Pid
	go func() {
		// Its error only repeats the state.
		p.Cmd.Wait()
		p.state = p.Cmd.ProcessState
		close(p.exited)
	}()
	return nil
}

func (p *Proc) closeFiles() {
	for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
		if f != nil {
			f.Close()
		}
	}
}

func (p *Proc) cleanup() {
	p.Cmd.Process.Kill()
	<-p.exited
	if p.t.Failed() {
		p.t.Logf("stderr of helper %q (pid %d, %v):\n%s", p.name, p.PID, p.state, p.Stderr())
	}
	p.closeFiles()
}

// WriteLine sends a line to the child.
func (p *Proc) WriteLine(format string, args ...any) {
	p.t.Helper()
	p.stdin.SetWriteDeadline(time.Now().Add(Watchdog))
	_, err := p.stdin.WriteString(fmt.Sprintf(format, args...) + "\n")
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.stuck("does not read its stdin")
	}
	if err != nil {
		p.t.Fatalf("write to helper %q: %v", p.name, err)
	}
}

// ReadLine returns the next line that the child wrote, without its end. The test
// fails if the child ends before.
func (p *Proc) ReadLine() string {
	p.t.Helper()
	line, ok := p.NextLine()
	if !ok {
		p.Wait()
		p.t.Fatalf("helper %q ended (%v) where a line was expected", p.name, p.state)
	}
	return line
}

// NextLine is ReadLine for a child that may have ended: ok is false when there
// are no more lines.
func (p *Proc) NextLine() (line string, ok bool) {
	p.t.Helper()
	p.stdout.SetReadDeadline(time.Now().Add(Watchdog))
	line, err := p.lines.ReadString('\n')
	switch {
	case err == nil:
		return strings.TrimSuffix(line, "\n"), true
	case errors.Is(err, io.EOF):
		// A line without its end was cut off by death: it says nothing.
		return "", false
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.stuck("writes no line")
	}
	p.t.Fatalf("read from helper %q: %v", p.name, err)
	return "", false
}

// Expect reads a line, which has to be want.
func (p *Proc) Expect(want string) {
	p.t.Helper()
	if got := p.ReadLine(); got != want {
		p.t.Fatalf("helper %q says %q, want %q", p.name, got, want)
	}
}

// CloseStdin ends the child's input: it returns from Park, and exits from
// ReadLine.
func (p *Proc) CloseStdin() {
	p.stdin.Close()
}

// Kill sends SIGKILL. It does not wait for the death.
func (p *Proc) Kill() { p.signal(killSignal) }

// Stop sends SIGSTOP and waits until the child has stopped. It reports false if
// the child ended first.
func (p *Proc) Stop() bool {
	p.t.Helper()
	p.signal(stopSignal)
	return p.WaitStopped()
}

// Cont lets a stopped child go on.
func (p *Proc) Cont() { p.signal(contSignal) }

func (p *Proc) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.Cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("send %v to helper %q: %v", sig, p.name, err)
	}
}

// WaitStopped waits until all threads of the child are stopped, by whomever. It
// reports false if the child ended first.
func (p *Proc) WaitStopped() bool {
	p.t.Helper()
	stopped := make(chan bool, 1)
	go func() { stopped <- waitStopped(p.PID) }()
	select {
	case ok := <-stopped:
		return ok
	case <-time.After(Watchdog):
		p.stuck("does not stop")
		return false
	}
}

// Wait waits until the child has ended and is reaped.
func (p *Proc) Wait() *os.ProcessState {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.state
	case <-time.After(Watchdog):
		p.stuck("does not end")
		return nil
	}
}

// Exited is closed when the child has ended and is reaped.
func (p *Proc) Exited() <-chan struct{} { return p.exited }

// Succeed waits for the child's end, which has to be with status 0.
func (p *Proc) Succeed() {
	p.t.Helper()
	if state := p.Wait(); !state.Success() {
		p.t.Fatalf("helper %q: %v", p.name, state)
	}
}

// Stderr returns what the child has written to its stderr so far.
func (p *Proc) Stderr() string {
	b, err := io.ReadAll(io.NewSectionReader(p.stderr, 0, 1<<20))
	if err != nil {
		return fmt.Sprintf("(read stderr: %v)", err)
	}
	return string(b)
}
