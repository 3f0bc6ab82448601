package ringbuf

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
)

// Pins its thread to a processor and becomes the helper that it is told: the
// Go runtime counts processors when a process begins.
var _ = testproc.Helper("pinned", func(c *testproc.Child) {
	runtime.LockOSThread()
	var one unix.CPUSet
	one.Set(number(c, 0))
	require.NoError(c, unix.SchedSetaffinity(0, &one))
	for _, f := range c.Files {
		_, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0)
		require.NoError(c, err)
	}
	os.Setenv("SHMKIT_TESTPROC_HELPER", c.Args[1])
	os.Setenv("SHMKIT_TESTPROC_FILES", fmt.Sprint(len(c.Files)))
	require.NoError(c, unix.Exec("/proc/self/exe", append(os.Args[:1:1], c.Args[2:]...), os.Environ()))
})

// Sends back what it gets, so that each message is a wait for the other.
var _ = testproc.Helper("echo", func(c *testproc.Child) {
	ctx := context.Background()
	in, err := OpenFile(c.Files[0])
	require.NoError(c, err)
	out, err := OpenFile(c.Files[1])
	require.NoError(c, err)
	e, err := in.Consumer()
	require.NoError(c, err)
	p, err := out.Producer()
	require.NoError(c, err)
	c.WriteLine("%d processors", runtime.NumCPU())
	for b, err := range e.All(ctx) {
		require.NoError(c, err)
		require.NoError(c, p.Send(ctx, b))
	}
	require.NoError(c, p.CloseSend())
})

// The other side of echo, and then of the stream tests.
var _ = testproc.Helper("caller", func(c *testproc.Child) {
	ctx := context.Background()
	out, err := OpenFile(c.Files[0])
	require.NoError(c, err)
	in, err := OpenFile(c.Files[1])
	require.NoError(c, err)
	p, err := out.Producer()
	require.NoError(c, err)
	e, err := in.Consumer()
	require.NoError(c, err)
	n := number(c, 0)
	for i := range n { // one at a time
		require.NoError(c, p.Send(ctx, message(i)[:0]))
		b, err := e.Recv(ctx, nil)
		require.NoError(c, err)
		require.Empty(c, b)
	}
	done := make(chan error)
	go func() { // as fast as it goes
		for i := range n {
			if err := p.Send(ctx, message(i)); err != nil {
				done <- err
				return
			}
		}
		done <- p.CloseSend()
	}()
	consume(c, ctx, e, 0, n)
	require.NoError(c, <-done)
	c.WriteLine("done")
})

// firstCPU is a processor that this process may use.
func firstCPU(t *testing.T) string {
	var set unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &set))
	for i := range 1024 {
		if set.IsSet(i) {
			return strconv.Itoa(i)
		}
	}
	t.Fatal("no processor")
	return ""
}

// Two processes that share one processor, or have one thread of Go each, make
// progress, whatever they are told about spinning.
func TestOneProcessor(t *testing.T) {
	const n = 300
	cpu := firstCPU(t)
	for _, one := range []struct {
		name   string
		pinned bool
		env    string
	}{
		{"pinned", true, "GOMAXPROCS="},
		{"pinned, GOMAXPROCS=1", true, "GOMAXPROCS=1"},
		{"pinned, GOMAXPROCS=4", true, "GOMAXPROCS=4"},
		{"GOMAXPROCS=1", false, "GOMAXPROCS=1"},
	} {
		t.Run(one.name, func(t *testing.T) {
			eachStrategy(t, func(t *testing.T, s Strategy) {
				there := ring(t, &Options{Capacity: minCapacity, Strategy: s})
				back := ring(t, &Options{Capacity: minCapacity, Strategy: s})
				start := func(helper string, args ...string) *testproc.Proc {
					if one.pinned {
						helper, args = "pinned", append([]string{cpu, helper}, args...)
					}
					return testproc.Start(t, helper, testproc.Files(there.File(), back.File()),
						testproc.Args(args...), testproc.Env(one.env))
				}
				echo := start("echo")
				if one.pinned {
					echo.Expect("1 processors")
				}
				caller := start("caller", strconv.Itoa(n))
				if !one.pinned {
					echo.ReadLine()
				}
				caller.Expect("done")
				caller.Succeed()
				echo.Succeed()
			})
		})
	}
}
