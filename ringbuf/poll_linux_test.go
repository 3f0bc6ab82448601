package ringbuf

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
)

// pollers is how many goroutines wait for descriptors.
func pollers() int {
	polls.Lock()
	defer polls.Unlock()
	return len(polls.groups)
}

// pollFile is a descriptor of q, closed after the test.
func pollFile(t testing.TB, q *selectQueue) *os.File {
	f, err := q.poll()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// pollFor waits until f is readable, or for so many milliseconds.
func pollFor(t testing.TB, f *os.File, timeout int) bool {
	c, err := f.SyscallConn()
	require.NoError(t, err)
	n := 0
	require.NoError(t, c.Control(func(fd uintptr) {
		for {
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, timeout)
			if err != unix.EINTR {
				break
			}
		}
	}))
	require.NoError(t, err)
	return n == 1
}

var pollWatchdog = int(testproc.Watchdog.Milliseconds())

// pollWaits receives until ErrEmpty and waits until the descriptor is in a group.
func pollWaits(t testing.TB, q *selectQueue, f *os.File) {
	until(t, func() bool {
		_, err := q.get()
		return err == ErrEmpty && !pollFor(t, f, 0)
	})
}

func eachPoll(t *testing.T, fn func(t *testing.T, q *selectQueue, f *os.File)) {
	for _, s := range []Strategy{Hybrid, Block} {
		for _, q := range selectQueues(t, s, Fail) {
			t.Run(fmt.Sprintf("%v/%s", s, q.name), func(t *testing.T) { fn(t, q, pollFile(t, q)) })
		}
	}
}

// The descriptor is readable from when there is a message until a call has returned
// ErrEmpty, and then again.
func TestPollFileReadable(t *testing.T) {
	eachPoll(t, func(t *testing.T, q *selectQueue, f *os.File) {
		pollWaits(t, q, f)
		second := pollFile(t, q)
		for n := range uint64(20) {
			require.NoError(t, q.put(n))
			require.True(t, pollFor(t, f, pollWatchdog))
			require.True(t, pollFor(t, second, 0))
			require.NoError(t, q.put(n+100))
			for _, want := range []uint64{n, n + 100} {
				got, err := q.get()
				require.NoError(t, err)
				require.Equal(t, want, got)
				require.True(t, pollFor(t, f, 0), "before ErrEmpty")
			}
			pollWaits(t, q, f)
			if n%2 == 0 {
				time.Sleep(time.Millisecond) // sleep: the goroutine sleeps then, most of the time; either way is right
			}
		}
		q.end(bounded(t))
		require.True(t, pollFor(t, f, pollWatchdog))
		_, err := q.get()
		require.Equal(t, io.EOF, err)
		require.True(t, pollFor(t, f, 0))
	})
	nobodyPolls(t)
}

// Close makes the descriptor readable, and it stays so. No goroutine and no descriptor
// but the caller's is left.
func TestPollFileClosed(t *testing.T) {
	events := func() (n int) {
		fds, _ := os.ReadDir("/proc/self/fd")
		for _, e := range fds {
			what, _ := os.Readlink("/proc/self/fd/" + e.Name())
			if strings.HasPrefix(what, "anon_inode:[eventfd") {
				n++
			}
		}
		return n
	}
	eachPoll(t, func(t *testing.T, q *selectQueue, f *os.File) {
		before := events()
		pollWaits(t, q, f)
		require.Equal(t, 1, pollers())
		q.shut(true)
		require.True(t, pollFor(t, f, 0), "when Close has returned")
		nobodyPolls(t)
		_, err := q.get()
		require.Equal(t, ErrClosed, err)
		require.True(t, pollFor(t, f, 0))
		require.Equal(t, before-1, events())
		_, err = q.poll()
		require.ErrorIs(t, err, ErrClosed)
	})
}

// nobodyPolls waits until the goroutines have found that no descriptor waits.
func nobodyPolls(t testing.TB) {
	t.Helper()
	until(t, func() bool { return pollers() == 0 })
}

// The file works in Go's poller: Read waits for a message, until the deadline.
func TestPollFileInGo(t *testing.T) {
	eachPoll(t, func(t *testing.T, q *selectQueue, f *os.File) {
		pollWaits(t, q, f)
		var b [8]byte
		require.NoError(t, f.SetReadDeadline(time.Now().Add(2*time.Millisecond)))
		_, err := f.Read(b[:])
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, f.SetReadDeadline(time.Now().Add(testproc.Watchdog)))
		for n := range uint64(5) {
			read := async(func() ([]byte, error) { _, err := f.Read(b[:]); return nil, err })
			time.Sleep(time.Millisecond) // sleep: it waits then, most of the time; either way is right
			require.NoError(t, q.put(n))
			require.NoError(t, get(t, read).err)
			got, err := q.get()
			require.NoError(t, err)
			require.Equal(t, n, got)
			pollWaits(t, q, f)
		}
	})
}

// X05: one process waits in epoll for what several others send it by all kinds of rings,
// which then are killed.
func TestX05PollFileAcrossProcesses(t *testing.T) {
	for _, s := range strategies {
		t.Run(s.String(), func(t *testing.T) {
			names, files, cases := selectAlone(t, s)
			ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
			require.NoError(t, err)
			defer unix.Close(ep)
			var victims []*testproc.Proc
			var receive []func() error
			control := func(op, i int, f *os.File) {
				conn, err := f.SyscallConn()
				require.NoError(t, err)
				require.NoError(t, conn.Control(func(fd uintptr) {
					err = unix.EpollCtl(ep, op, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)})
				}))
				require.NoError(t, err)
			}
			var polled []*os.File
			for i, c := range cases {
				var f *os.File
				switch e := c.on.(type) {
				case *Consumer:
					f, err = e.PollFile()
					receive = append(receive, func() error { _, err := e.TryRecv(nil); return err })
				case *Chan[uint64]:
					f, err = e.PollFile()
					receive = append(receive, func() error { _, err := e.TryRecv(); return err })
				}
				require.NoError(t, err)
				defer f.Close()
				polled = append(polled, f)
				control(unix.EPOLL_CTL_ADD, i, f)
				victims = append(victims, testproc.Start(t, "select.producer", testproc.Files(files[i]), testproc.Args(names[i])))
			}
			const each = 20
			got := make([]int, len(cases))
			for alive := len(cases); alive > 0; {
				var events [3]unix.EpollEvent
				n, err := unix.EpollWait(ep, events[:], pollWatchdog)
				if err == unix.EINTR {
					continue
				}
				require.NoError(t, err)
				require.NotZero(t, n)
				for _, event := range events[:n] {
					i := int(event.Fd)
					for err = receive[i](); err == nil; err = receive[i]() {
						got[i]++
						victims[i].Expect("sent")
						if got[i] == each {
							victims[i].Kill()
						} else {
							victims[i].WriteLine("more")
						}
					}
					if err == ErrPeerDied {
						require.Equal(t, each, got[i])
						control(unix.EPOLL_CTL_DEL, i, polled[i])
						alive--
						continue
					}
					require.Equal(t, ErrEmpty, err)
				}
			}
			nobodyPolls(t)
		})
	}
}

// More descriptors than one sleep can watch.
func TestPollFileMany(t *testing.T) {
	const n = 2*pollMost + 3
	var chans []*Chan[uint64]
	var fds []*os.File
	for i := range n {
		ch, err := NewChan[uint64]("", 1, &Options{Mode: []Mode{SPSC, MPSC}[i%2]})
		require.NoError(t, err)
		_, err = ch.TryRecv()
		require.Equal(t, ErrEmpty, err)
		f, err := ch.PollFile()
		require.NoError(t, err)
		chans, fds = append(chans, ch), append(fds, f)
	}
	require.Equal(t, 3, pollers())
	for i := n - 1; i >= 0; i -= 5 {
		require.False(t, pollFor(t, fds[i], 0))
		require.NoError(t, chans[i].TrySend(1))
		require.True(t, pollFor(t, fds[i], pollWatchdog))
	}
	for i := range chans {
		require.NoError(t, chans[i].Close())
		require.True(t, pollFor(t, fds[i], 0))
		require.NoError(t, fds[i].Close())
	}
	nobodyPolls(t)
}

// A consumer among many whose descriptor was woken, and who then receives, wakes another
// if there is more.
func TestPollFilePassesOn(t *testing.T) {
	r := ring(t, &Options{Mode: MPMC, Strategy: Block})
	p, first := producer(t, r), consumer(t, r)
	f, err := first.PollFile()
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, p.TrySend(nil)) // wakes the descriptor
	require.True(t, pollFor(t, f, pollWatchdog))
	nobodyPolls(t)
	first.polled.Load().woken.Store(true) // if it was not asleep yet
	second := consumer(t, r)
	second.lane.seat.asleep.Store(1)
	r.many.h.sleepers.Store(0) // so that the next message wakes nobody
	require.NoError(t, p.TrySend(nil))
	second.lane.notify()
	_, err = first.TryRecv(nil)
	require.NoError(t, err)
	require.EqualValues(t, awake, second.lane.seat.asleep.Load())
}

// A role that is given away makes its descriptor readable; one that comes back waits
// again.
func TestPollFileGivenAway(t *testing.T) {
	for _, m := range []Mode{SPSC, MPMC} {
		_, c := pair(t, &Options{Mode: m})
		f, err := c.PollFile()
		require.NoError(t, err)
		require.False(t, pollFor(t, f, 0))
		trust, err := c.giveAway()
		require.NoError(t, err)
		require.True(t, pollFor(t, f, 0))
		_, err = c.TryRecv(nil)
		require.Equal(t, ErrClosed, err)
		require.True(t, pollFor(t, f, 0))
		c.takeBack(trust)
		_, err = c.TryRecv(nil)
		require.Equal(t, ErrEmpty, err)
		require.False(t, pollFor(t, f, 0))
		require.NoError(t, c.Close())
		require.True(t, pollFor(t, f, 0))
		require.NoError(t, f.Close())
	}
}

// A file that is truncated makes the descriptor readable.
func TestPollFileTruncated(t *testing.T) {
	faultsAreSeen(t)
	for _, m := range []Mode{SPSC, MPMC} {
		name := newName(t)
		r := namedRing(t, name, &Options{Mode: m})
		c := consumer(t, r)
		producer(t, r)
		f, err := c.PollFile()
		require.NoError(t, err)
		require.False(t, pollFor(t, f, 0))
		require.NoError(t, os.Truncate("/dev/shm/"+name, 0))
		require.True(t, pollFor(t, f, pollWatchdog))
		_, err = c.TryRecv(nil)
		require.ErrorIs(t, err, ErrTruncated)
		require.NoError(t, f.Close())
		nobodyPolls(t)
	}
}

// Whoever waits in calls as well as for the descriptor loses nothing.
func TestPollFileBesidesRecv(t *testing.T) {
	eachPoll(t, func(t *testing.T, q *selectQueue, f *os.File) {
		pollWaits(t, q, f)
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		require.Equal(t, context.DeadlineExceeded, q.wait(ctx))
		require.NoError(t, q.put(1))
		require.True(t, pollFor(t, f, pollWatchdog))
		require.NoError(t, q.wait(bounded(t)))
		pollWaits(t, q, f)
	})
}
