package ringbuf

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
)

// Receives from a ring of two, a ring of many and a channel until all have ended, and
// tells of each message. It waits in Select, or for descriptors.
var _ = testproc.Helper("select.walker", func(c *testproc.Child) {
	var receive [3]func() (byte, error)
	var cases [3]Case
	var got [3]func() byte
	var fds []unix.PollFd
	add := func(i int, f *os.File, err error, one Case, value func() byte, try func() (byte, error)) {
		require.NoError(c, err)
		conn, err := f.SyscallConn()
		require.NoError(c, err)
		require.NoError(c, conn.Control(func(fd uintptr) { fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}) }))
		cases[i], got[i], receive[i] = one, value, try
	}
	for i, f := range c.Files[:2] {
		r, err := OpenFile(f)
		require.NoError(c, err)
		e, err := r.Consumer()
		require.NoError(c, err)
		var buf []byte
		poll, err := os.Open(os.DevNull)
		if c.Args[0] == "poll" {
			poll, err = e.PollFile()
		}
		add(i, poll, err, e.CaseRecv(&buf), func() byte { return buf[0] }, func() (byte, error) {
			b, err := e.TryRecv(nil)
			if err != nil {
				return 0, err
			}
			return b[0], nil
		})
	}
	ch, err := OpenChanFile[byte](c.Files[2])
	require.NoError(c, err)
	var v byte
	poll, err := os.Open(os.DevNull)
	if c.Args[0] == "poll" {
		poll, err = ch.PollFile()
	}
	add(2, poll, err, ch.CaseRecv(&v), func() byte { return v }, ch.TryRecv)
	for left := len(cases); left > 0; {
		if c.Args[0] == "select" {
			i, err := Select(context.Background(), cases[:]...)
			if err == io.EOF {
				cases[i] = Case{}
				left--
				continue
			}
			require.NoError(c, err)
			c.WriteLine("%d %d", i, got[i]())
			continue
		}
		for i, try := range receive {
			for try != nil {
				b, err := try()
				if err == ErrEmpty {
					break
				}
				if err == io.EOF {
					receive[i], try, fds[i].Fd = nil, nil, -1
					left--
					break
				}
				require.NoError(c, err)
				c.WriteLine("%d %d", i, b)
			}
		}
		if left > 0 {
			_, _ = unix.Poll(fds, -1)
		}
	}
	c.WriteLine("end")
})

// selectWalk kills or stops a process at one point of announcing that it waits for three
// things. Whoever comes after it receives everything.
func selectWalk(t *testing.T, v *testproc.Victim, how string, stop bool) {
	const each = 5
	o := func(m Mode) *Options {
		return &Options{Mode: m, Strategy: Block, OnPeerDeath: Wait, Capacity: minCapacity}
	}
	one, many := ring(t, o(SPSC)), ring(t, o(MPMC))
	ch, err := NewChan[byte]("", 2*each, o(SPSC))
	require.NoError(t, err)
	defer ch.Close()
	first, second := producer(t, one), producer(t, many)
	files := testproc.Files(one.File(), many.File(), ch.File())
	victim := v.Start("select.walker", files, testproc.Args(how))
	until(t, func() bool {
		return v.Fired() || one.h.recvSleeps() && ch.h.recvSleeps() && many.many.h.sleepers.Load() != 0
	})
	survivor := victim
	fired := v.Fired()
	if fired && !stop {
		victim.Wait()
		survivor = testproc.Start(t, "select.walker", files, testproc.Args("select"))
	}
	for n := range byte(each) {
		require.NoError(t, first.TrySend([]byte{n}))
		require.NoError(t, second.TrySend([]byte{n}))
		require.NoError(t, ch.TrySend(n))
	}
	var other *Consumer
	if fired && stop {
		other = consumer(t, many)
	}
	want := map[string]bool{}
	for n := range each {
		want[fmt.Sprintf("0 %d", n)] = true
		want[fmt.Sprintf("2 %d", n)] = true
		if other == nil {
			want[fmt.Sprintf("1 %d", n)] = true
			continue
		}
		b, err := other.Recv(bounded(t), nil)
		require.NoError(t, err)
		require.EqualValues(t, n, b[0])
	}
	require.NoError(t, first.CloseSend())
	require.NoError(t, second.CloseSend())
	require.NoError(t, ch.CloseSend(bounded(t)))
	if fired && stop {
		victim.WaitStopped()
		victim.Cont()
	}
	for line := survivor.ReadLine(); line != "end"; line = survivor.ReadLine() {
		require.True(t, want[line], line)
		delete(want, line)
	}
	require.Empty(t, want)
	survivor.Succeed()
}

func TestX05SelectWalk(t *testing.T) {
	for _, stop := range []bool{false, true} {
		t.Run(map[bool]string{false: "kill", true: "stop"}[stop], func(t *testing.T) {
			testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: []string{"select.", "poll."}, Stop: stop},
				func(t *testing.T, v *testproc.Victim) { selectWalk(t, v, "select", stop) },
				func(t *testing.T, v *testproc.Victim) { selectWalk(t, v, "poll", stop) })
		})
	}
}
