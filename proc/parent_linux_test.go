package proc_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
)

type identity struct {
	PID, PPID  int
	Name       string
	Daemon     bool
	Alive      bool
	ParentPID  int
	ParentName string
	ParentUp   bool
}

// Functions that start themselves are registered in init: a variable must not
// need itself.
var identify *proc.Func[identifyArg]

func init() { identify = proc.Register("identify", runIdentify) }

func runIdentify(ctx context.Context, a identifyArg) error {
	me, parent := proc.Current(), proc.Parent()
	fmt.Fprintf(a.Out, `{"PID":%d,"PPID":%d,"Name":%q,"Daemon":%v,"Alive":%v,"ParentPID":%d,"ParentName":%q,"ParentUp":%v}`+"\n",
		me.PID(), os.Getppid(), me.Name(), me.Daemon(), me.Alive(), parent.PID(), parent.Name(), parent.Alive())
	if !a.Again {
		return nil
	}
	p, err := identify.Start(ctx, identifyArg{Out: a.Out}, nil)
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

type identifyArg struct {
	Out   *file
	Again bool
}

// P05: a child knows its parent; P08: and itself.
func TestParentP05(t *testing.T) {
	require.Nil(t, proc.Parent())
	out := newOutput(t)
	p := start(t, identify, identifyArg{Out: out.W}, nil)
	var got identity
	out.json(&got)
	require.Equal(t, identity{
		PID: p.PID(), PPID: os.Getpid(), Name: p.Name(), Alive: true,
		ParentPID: os.Getpid(), ParentName: "main", ParentUp: true,
	}, got)
	require.NoError(t, p.Wait(watchdog(t)))
}

// P04: a process knows whether it is a daemon. Daemons have no children to hand
// that down to.
func TestDaemonFlagP04(t *testing.T) {
	for _, daemon := range []bool{false, true} {
		out := newOutput(t)
		p := start(t, identify, identifyArg{Out: out.W, Again: true}, &proc.Options{Daemon: daemon, Stderr: out.W.File})
		require.Equal(t, daemon, p.Daemon())
		line := out.lines()
		require.Contains(t, line(), fmt.Sprintf(`"Daemon":%v`, daemon))
		if daemon {
			require.Contains(t, line(), "start identify: daemons may not have children")
			require.Equal(t, 1, code(t, p))
			continue
		}
		require.Contains(t, line(), `"Daemon":false`, "the grandchild")
		require.NoError(t, p.Wait(watchdog(t)))
	}
}

// A family is a process of ours with a daemon and another child, which both
// hold the write ends of pipes that the test reads.
var _ = testproc.Helper("family", func(c *testproc.Child) {
	ctx := context.Background()
	_, err := hold.Start(ctx, holdArg{In: &file{File: c.Files[0]}, Out: &file{File: c.Files[1]}}, &proc.Options{Daemon: true, Stdout: c.Files[1]})
	if err == nil {
		_, err = survive.Start(ctx, survivor{&file{File: c.Files[2]}}, nil)
	}
	c.WriteLine("started %v", err)
	c.Park()
})

type survivor struct{ Out *file }

// survive sees its parent alive, then not, and lives.
var survive = proc.Register("survive", func(ctx context.Context, a survivor) error {
	parent := proc.Parent()
	select {
	case <-parent.Done():
		return fmt.Errorf("parent is done while it lives")
	default:
	}
	fmt.Fprintln(a.Out, "alive", parent.Alive(), parent.Wait(over()))
	err := parent.Wait(ctx)
	<-parent.Done()
	fmt.Fprintln(a.Out, "alive", parent.Alive(), err, parent.Wait(over()))
	return nil
})

// X16: daemons die with their parent however it ends. P06: other children live
// on and learn of it.
func TestParentDies(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(fmt.Sprint("X16 P06 ", sig), func(t *testing.T) {
			never, w, err := os.Pipe()
			require.NoError(t, err)
			defer never.Close()
			defer w.Close()
			daemon, other := newOutput(t), newOutput(t)
			family := testproc.Start(t, "family", testproc.Files(never, daemon.W.File, other.W.File))
			family.Expect("started <nil>")
			daemonSays, otherSays := daemon.lines(), other.lines()
			require.Equal(t, "up", daemonSays())
			require.Equal(t, "alive true context canceled", otherSays())

			require.NoError(t, family.Cmd.Process.Signal(sig))
			require.Empty(t, daemon.all(), "ends when the daemon and its parent have gone")
			require.Equal(t, "alive false <nil> <nil>", otherSays())
			require.Empty(t, other.all())
		})
	}
}

// A daemon belongs to the process, not to the thread that started it.
func TestDaemonOutlivesThread(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	type started struct {
		p   *proc.Process
		err error
		tid int
	}
	c, over := make(chan started), make(chan struct{})
	var body func()
	body = func() {
		runtime.LockOSThread() // and the thread ends with the goroutine
		if unix.Gettid() == os.Getpid() {
			// Only the main thread does not. While we hold it, others get others.
			defer runtime.UnlockOSThread()
			go body()
			<-over
			return
		}
		p, err := hold.Start(watchdog(t), holdArg{In: &file{File: r}}, &proc.Options{Daemon: true})
		c <- started{p, err, unix.Gettid()}
	}
	go body()
	s := <-c
	close(over)
	require.NoError(t, s.err)
	r.Close()
	for unix.Tgkill(os.Getpid(), s.tid, 0) == nil {
		runtime.Gosched()
	}
	w.Close() // a living daemon ends by itself now
	require.Zero(t, code(t, s.p))
}

var orphan = proc.Register("orphan", func(_ context.Context, a holdArg) error {
	// The parent of this process is gone before we ask for the first time.
	if _, err := io.Copy(io.Discard, a.In); err != nil {
		return err
	}
	for proc.Parent().Alive() {
		runtime.Gosched()
	}
	fmt.Fprintln(a.Out, proc.Parent().Wait(over()))
	<-proc.Parent().Done()
	return nil
})

var _ = testproc.Helper("leaves", func(c *testproc.Child) {
	_, err := orphan.Start(context.Background(), holdArg{&file{File: c.Files[0]}, &file{File: c.Files[1]}}, nil)
	c.WriteLine("started %v", err)
})

// P06: also a parent that died before anybody asked is noticed.
func TestParentDiedBeforeP06(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	out := newOutput(t)
	p := testproc.Start(t, "leaves", testproc.Files(r, out.W.File))
	p.Expect("started <nil>")
	p.Wait()
	w.Close()
	require.Equal(t, "<nil>\n", out.all())
}
