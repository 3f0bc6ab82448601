package proc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/shm"
)

// job is an item with shared objects at several depths.
type job struct {
	Text   string
	Out    *file
	Counts map[string]*shm.Array[int64]
	Roles  []role
	Reply  *proc.Queue[string]
	Jobs   *proc.Queue[job]
	Conn   *proc.Conn
}

type role struct{ Producer *ringbuf.Producer }

// workJobs does jobs: each of its shared objects is used once.
var workJobs = proc.Register("parcel.work", func(ctx context.Context, q *proc.Queue[job]) error {
	for j, err := range q.All(ctx) {
		if err != nil {
			return err
		}
		if j.Out != nil {
			fmt.Fprintln(j.Out, "out:", j.Text)
			j.Out.Close()
		}
		for name, a := range j.Counts {
			if err := a.Set(0, int64(len(name))); err != nil {
				return err
			}
			a.Close()
		}
		for _, r := range j.Roles {
			if err := r.Producer.Send(ctx, []byte("role: "+j.Text)); err != nil {
				return err
			}
			if err := r.Producer.CloseSend(); err != nil {
				return err
			}
			r.Producer.Close()
		}
		if j.Reply != nil {
			if err := j.Reply.Put(ctx, "reply: "+j.Text); err != nil {
				return err
			}
			j.Reply.Close()
		}
		if j.Jobs != nil {
			j.Jobs.Close()
		}
	}
	return nil
})

// Shared objects travel in items, at any depth; roles move with them.
func TestHandlesInItems(t *testing.T) {
	ctx := watchdog(t)
	jobs, replies := newQueue[job](t, nil), newQueue[string](t, nil)
	start(t, workJobs, jobs, nil)
	for i := range 3 {
		out := newOutput(t)
		count, err := shm.NewArray[int64]("", 1, nil)
		require.NoError(t, err)
		defer count.Close()
		r := newRing(t)
		p, c := ends(t, r)
		text := fmt.Sprint("job ", i)
		require.NoError(t, jobs.Put(ctx, job{
			Text: text, Out: out.W, Counts: map[string]*shm.Array[int64]{"abc": count},
			Roles: []role{{p}}, Reply: replies, Jobs: jobs,
		}))
		require.ErrorIs(t, p.Send(ctx, nil), ringbuf.ErrClosed, "the role has moved")

		s, err := replies.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, "reply: "+text, s)
		require.Equal(t, "out: "+text+"\n", out.all())
		n, err := count.At(0)
		require.NoError(t, err)
		require.EqualValues(t, 3, n)
		for m, err := range c.All(ctx) {
			require.NoError(t, err)
			require.Equal(t, "role: "+text, string(m))
		}
	}
	require.NoError(t, jobs.CloseSend(ctx))
	eventuallyNoDoor(t)
}

// answerOn gets one end of a pipe and answers there.
var answerOn = proc.Register("parcel.answerOn", func(ctx context.Context, q *proc.Queue[*proc.Conn]) error {
	c, err := q.Get(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var s string
	if err := c.Recv(ctx, &s); err != nil {
		return err
	}
	return c.Send(ctx, "answer to "+s)
})

// An end of a pipe moves with the item in which it is: to whoever gets that.
func TestConnInItem(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[*proc.Conn](t, nil)
	ours, theirs, err := proc.Pipe(nil)
	require.NoError(t, err)
	defer ours.Close()
	require.NoError(t, q.Put(ctx, theirs))
	require.ErrorIs(t, theirs.Send(ctx, 1), proc.ErrClosed)

	p := start(t, answerOn, q, nil)
	require.NoError(t, ours.Send(ctx, "question"))
	var s string
	require.NoError(t, ours.Recv(ctx, &s))
	require.Equal(t, "answer to question", s)
	require.NoError(t, p.Wait(ctx))
	eventuallyNoDoor(t)
}

// door returns the address of this process's door, "" if there is none.
func door(t *testing.T) string {
	t.Helper()
	sockets, err := os.ReadFile("/proc/net/unix")
	require.NoError(t, err)
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, f := range files {
		link, _ := os.Readlink("/proc/self/fd/" + f.Name())
		inode, ok := strings.CutPrefix(strings.TrimSuffix(link, "]"), "socket:[")
		if !ok {
			continue
		}
		if m := regexp.MustCompile(` ` + inode + ` (@shmkit-parcels-\w+)`).FindSubmatch(sockets); m != nil {
			return string(m[1])
		}
	}
	return ""
}

// eventuallyNoDoor waits until the last parcel is dropped, which its receiver's word
// brings about.
func eventuallyNoDoor(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return door(t) == "" }, time.Minute, time.Millisecond)
}

// A process gets its own items, with their shared objects, and an item can be passed on.
func TestHandlesInOwnItems(t *testing.T) {
	ctx := watchdog(t)
	a, b := newQueue[job](t, nil), newQueue[job](t, nil)
	out := newOutput(t)
	require.NoError(t, a.Put(ctx, job{Text: "own", Out: out.W}))
	require.NotEmpty(t, door(t))
	j, err := a.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, b.TryPut(j))
	j.Out.Close()
	j, err = b.TryGet()
	require.NoError(t, err)
	require.Equal(t, "own", j.Text)
	fmt.Fprint(j.Out, "through both")
	j.Out.Close()
	require.Equal(t, "through both", out.all())
	eventuallyNoDoor(t)
}

// bounce answers each job on the queue that came with it, with four goroutines.
var bounce = proc.Register("parcel.bounce", func(ctx context.Context, q *proc.Queue[job]) error {
	failed := make(chan error, 4)
	for range cap(failed) {
		go func() {
			for j, err := range q.All(ctx) {
				if err == nil {
					err = j.Reply.Put(ctx, j.Text)
					j.Reply.Close()
				}
				if err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	var err error
	for range cap(failed) {
		err = errors.Join(err, <-failed)
	}
	return err
})

// Goroutines of several processes send and fetch parcels at once; the door opens and
// closes meanwhile.
func TestManyParcels(t *testing.T) {
	ctx := watchdog(t)
	jobs := newQueue[job](t, nil)
	var workers []*proc.Process
	for range 2 {
		workers = append(workers, start(t, bounce, jobs, nil))
	}
	var wg sync.WaitGroup
	for g := range 4 {
		reply := newQueue[string](t, nil)
		wg.Go(func() {
			for i := range 30 {
				text := fmt.Sprint(g, " ", i)
				err := jobs.Put(ctx, job{Text: text, Reply: reply})
				if err == nil {
					var got string
					if got, err = reply.Get(ctx); got != text && err == nil {
						err = fmt.Errorf("got %q for %q", got, text)
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, jobs.CloseSend(ctx))
	for _, p := range workers {
		require.NoError(t, p.Wait(ctx))
	}
	eventuallyNoDoor(t)
}

// More descriptors than one datagram carries.
func TestManyHandlesInItem(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[[]*file](t, nil)
	var files []*file
	for range 600 {
		f, err := os.Open(os.DevNull)
		require.NoError(t, err)
		defer f.Close()
		files = append(files, &file{File: f})
	}
	require.NoError(t, q.Put(ctx, files))
	got, err := q.Get(ctx)
	require.NoError(t, err)
	require.Len(t, got, len(files))
	for _, f := range got {
		require.NoError(t, f.Close())
	}
	eventuallyNoDoor(t)
}

// X11: what cannot travel is an error of Put, nothing was put, and roles are back.
func TestRolesOfFailedPutsX11(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[any](t, &proc.QueueOptions{MaxBytes: 1 << 16})
	p, c := ends(t, newRing(t))
	use := func(what string) {
		t.Helper()
		require.NoError(t, p.Send(ctx, []byte(what)), what)
		m, err := c.Recv(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, what, string(m))
	}
	require.ErrorIs(t, q.Put(ctx, []any{p, func() {}}), proc.ErrArgument)
	use("after a function beside it")

	closed := mustOpen(t, os.DevNull)
	closed.Close()
	err := q.Put(ctx, []any{p, &file{File: closed}})
	require.ErrorIs(t, err, proc.ErrArgument)
	require.ErrorIs(t, err, os.ErrClosed)
	use("after a closed file beside it")

	for q.TryPut(make([]byte, 1<<10)) == nil {
	}
	for q.TryPut(nil) == nil { // up to the last byte
	}
	require.ErrorIs(t, q.TryPut(p), proc.ErrFull)
	use("after a full queue")
	over, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, q.Put(over, p), context.Canceled)
	use("after a context's end")
	require.NoError(t, q.Close())
	require.ErrorIs(t, q.Put(ctx, p), proc.ErrClosed)
	use("after Close")
	require.Empty(t, door(t))

	small := newQueue[any](t, &proc.QueueOptions{MaxMessage: 100})
	require.ErrorIs(t, small.Put(ctx, p), ringbuf.ErrTooLarge)
	use("after a message that is too large")
	require.Empty(t, door(t))
}

// postJob puts a job with everything in it, says so, and stays.
var postJob = proc.Register("parcel.post", func(ctx context.Context, a postArg) error {
	r, err := ringbuf.New("", nil)
	if err != nil {
		return err
	}
	p, err := r.Producer()
	if err != nil {
		return err
	}
	array, err := shm.NewArray[int64]("", 1, nil)
	if err != nil {
		return err
	}
	own, err := proc.NewQueue[string](nil)
	if err != nil {
		return err
	}
	_, end, err := proc.Pipe(nil)
	if err != nil {
		return err
	}
	err = a.Jobs.Put(ctx, job{
		Text: "posted", Counts: map[string]*shm.Array[int64]{"n": array},
		Roles: []role{{p}}, Reply: own, Conn: end,
	})
	if err != nil {
		return err
	}
	io.WriteString(a.Out, "put\n")
	<-ctx.Done()
	return nil
})

type postArg struct {
	Jobs *proc.Queue[job]
	Out  *file
}

// posted starts postJob and returns when the job was put.
func posted(t *testing.T, jobs *proc.Queue[job]) *proc.Process {
	t.Helper()
	out := newOutput(t)
	p := start(t, postJob, postArg{jobs, out.W}, nil)
	require.Equal(t, "put", out.lines()())
	return p
}

// requireGone checks that the shared objects of a posted job are closed and the rest is
// whole.
func requireGone(ctx context.Context, t *testing.T, j job) {
	t.Helper()
	require.Equal(t, "posted", j.Text)
	require.ErrorIs(t, j.Counts["n"].Set(0, 1), shm.ErrClosed)
	require.ErrorIs(t, j.Roles[0].Producer.Send(ctx, nil), ringbuf.ErrClosed)
	require.ErrorIs(t, j.Reply.Put(ctx, ""), proc.ErrClosed)
	_, err := j.Reply.Get(ctx)
	require.ErrorIs(t, err, proc.ErrClosed)
	require.True(t, j.Reply.Empty())
	require.ErrorIs(t, j.Conn.Send(ctx, 1), proc.ErrClosed)
	require.ErrorIs(t, j.Conn.Recv(ctx, new(int)), proc.ErrClosed)
	_, err = j.Conn.Poll(ctx)
	require.ErrorIs(t, err, proc.ErrClosed)
	require.True(t, j.Conn.Closed())
	require.NoError(t, j.Conn.Close())
	require.NoError(t, j.Counts["n"].Close())
	require.NoError(t, j.Roles[0].Producer.Close())
	require.NoError(t, j.Reply.Close())
}

// If the sender was killed before the Get, the item arrives without its shared objects.
func TestHandlesOfDeadSender(t *testing.T) {
	ctx := watchdog(t)
	for name, get := range map[string]func(q *proc.Queue[job]) (job, error){
		"Get":    func(q *proc.Queue[job]) (job, error) { return q.Get(ctx) },
		"TryGet": func(q *proc.Queue[job]) (job, error) { return q.TryGet() },
	} {
		t.Run(name, func(t *testing.T) {
			jobs := newQueue[job](t, nil)
			p := posted(t, jobs)
			require.NoError(t, p.Kill())
			<-p.Done()
			j, err := get(jobs)
			require.ErrorIs(t, err, proc.ErrHandleGone)
			requireGone(ctx, t, j)
		})
	}
	t.Run("All goes on", func(t *testing.T) {
		jobs := newQueue[job](t, nil)
		p := posted(t, jobs)
		require.NoError(t, p.Kill())
		<-p.Done()
		require.NoError(t, jobs.Put(ctx, job{Text: "after it"}))
		require.NoError(t, jobs.CloseSend(ctx))
		var texts []string
		for j, err := range jobs.All(ctx) {
			require.Equal(t, j.Text == "posted", errors.Is(err, proc.ErrHandleGone))
			texts = append(texts, j.Text)
		}
		require.ElementsMatch(t, []string{"posted", "after it"}, texts)
	})
}

// A sender that is stopped delays a Get as long as its context allows, and no longer.
func TestHandlesOfStoppedSender(t *testing.T) {
	ctx := watchdog(t)
	stop := func(t *testing.T, p *proc.Process) {
		require.NoError(t, unix.Kill(p.PID(), unix.SIGSTOP))
		var info unix.Siginfo
		require.NoError(t, unix.Waitid(unix.P_PID, p.PID(), &info, unix.WSTOPPED|unix.WNOWAIT, nil))
	}
	t.Run("for too long", func(t *testing.T) {
		jobs := newQueue[job](t, nil)
		stop(t, posted(t, jobs))
		soon, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		begun := time.Now()
		j, err := jobs.Get(soon)
		require.ErrorIs(t, err, proc.ErrHandleGone)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.GreaterOrEqual(t, time.Since(begun), 100*time.Millisecond)
		requireGone(ctx, t, j)
	})
	t.Run("TryGet", func(t *testing.T) {
		jobs := newQueue[job](t, nil)
		stop(t, posted(t, jobs))
		j, err := jobs.TryGet()
		require.ErrorIs(t, err, proc.ErrHandleGone)
		requireGone(ctx, t, j)
	})
	t.Run("for a while", func(t *testing.T) {
		jobs := newQueue[job](t, nil)
		p := posted(t, jobs)
		stop(t, p)
		got := make(chan error, 1)
		var j job
		go func() {
			var err error
			j, err = jobs.Get(ctx)
			got <- err
		}()
		require.Eventually(t, jobs.Empty, time.Minute, time.Millisecond)
		select {
		case err := <-got:
			t.Fatalf("Get returned %v while the sender was stopped", err)
		case <-time.After(50 * time.Millisecond):
		}
		require.NoError(t, unix.Kill(p.PID(), unix.SIGCONT))
		require.NoError(t, <-got)
		require.NoError(t, j.Roles[0].Producer.Send(ctx, []byte("it is ours")))
		require.NoError(t, j.Roles[0].Producer.Close())
		require.NoError(t, j.Counts["n"].Close())
		require.NoError(t, j.Reply.Close())
		require.NoError(t, j.Conn.Close())
	})
}

// stuck is an object whose receiver says that it has got it, and never comes to an end
// with decoding.
type stuck struct{ file }

func (s *stuck) UnmarshalBinary(ref []byte) error {
	if err := s.file.UnmarshalBinary(ref); err != nil {
		return err
	}
	fmt.Fprintln(s.File, "fetched")
	select {}
}

type trap struct {
	Role *ringbuf.Producer
	Trap *stuck
}

var getTrap = proc.Register("parcel.getTrap", func(ctx context.Context, q *proc.Queue[trap]) error {
	_, err := q.Get(ctx)
	return err
})

// A receiver that is killed between fetching the descriptors and taking over what they
// lead to leaves nothing behind: roles that it did not take fall vacant, the sender
// drops the parcel.
func TestReceiverKilledWhileDecoding(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[trap](t, nil)
	child := start(t, getTrap, q, nil)
	r := newRing(t)
	p, c := ends(t, r)
	out := newOutput(t)
	exited := make(chan struct{})
	out.W.hooks = handle.Options{Exited: func() { close(exited) }}
	// What the trap's type is decoded first or last is the codec's affair: the
	// second role is not adopted in any case, as it is behind the trap.
	require.NoError(t, q.Put(ctx, trap{Role: p, Trap: &stuck{*out.W}}))
	require.Equal(t, "fetched", out.lines()())
	require.NotEmpty(t, door(t), "it is not done")
	require.NoError(t, child.Kill())
	<-child.Done()
	<-exited
	eventuallyNoDoor(t)
	_, err := c.Recv(ctx, nil)
	require.ErrorIs(t, err, ringbuf.ErrPeerDied)
	_, err = r.Producer()
	require.NoError(t, err, "vacant again")
}

// Whoever comes to the door without a token is sent away, and disturbs nobody.
func TestStrangersAtTheDoor(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[job](t, nil)
	out := newOutput(t)
	require.NoError(t, q.Put(ctx, job{Text: "guarded", Out: out.W}))
	for _, token := range []string{"x", strings.Repeat("A", 26), strings.Repeat("long", 100)} {
		conn, err := net.Dial("unixpacket", door(t))
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte(token))
		require.NoError(t, err)
		n, err := conn.Read(make([]byte, 1))
		require.Zero(t, n)
		require.Error(t, err)
	}
	silent, err := net.Dial("unixpacket", door(t))
	require.NoError(t, err)
	defer silent.Close()
	j, err := q.Get(ctx)
	require.NoError(t, err)
	fmt.Fprint(j.Out, "arrived")
	j.Out.Close()
	require.Equal(t, "arrived", out.all())
	eventuallyNoDoor(t)
}

// Shows a token at a door, as another user.
var _ = testproc.Helper("parcel.otherUser", func(c *testproc.Child) {
	require.NoError(c, syscall.Setuid(65534))
	conn, err := net.Dial("unixpacket", c.Args[0])
	require.NoError(c, err)
	_, _ = conn.Write([]byte(c.Args[1])) // the door may be shut already
	n, err := conn.Read(make([]byte, 1))
	require.Zero(c, n)
	require.Error(c, err)
})

// Another user who has learnt a token gets nothing for it.
func TestOtherUserAtTheDoor(t *testing.T) {
	testproc.Need(t, "root, to be another user", os.Geteuid() == 0)
	ctx := watchdog(t)
	q := newQueue[job](t, nil)
	out := newOutput(t)
	require.NoError(t, q.Put(ctx, job{Text: "guarded", Out: out.W}))
	testproc.Start(t, "parcel.otherUser", testproc.Args(door(t), proc.TokensOf()[0])).Succeed()
	j, err := q.Get(ctx)
	require.NoError(t, err)
	fmt.Fprint(j.Out, "arrived")
	j.Out.Close()
	require.Equal(t, "arrived", out.all())
	eventuallyNoDoor(t)
}

// A message sends nobody to a socket that is no door, nor for more descriptors than it
// has handles.
func TestForgedWaybills(t *testing.T) {
	address := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unixpacket", address)
	require.NoError(t, err)
	defer l.Close()
	for _, forged := range [][]byte{
		proc.ForgeItem(address, 0, 0), proc.ForgeItem("", 0, 0), proc.ForgeItem("@shmkit", 0, 0),
		proc.ForgeItem("@shmkit-parcels-x", -1, 1), proc.ForgeItem("@shmkit-parcels-x", 2, 1),
	} {
		_, err := proc.UnpackItem(forged)
		require.ErrorIs(t, err, proc.ErrItem)
	}
	_, err = proc.UnpackItem(proc.ForgeItem("@shmkit-parcels-x", 1, 1))
	require.ErrorIs(t, err, proc.ErrHandleGone, "nobody is there")
	require.NoError(t, l.(*net.UnixListener).SetDeadline(time.Now()))
	_, err = l.Accept()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "nobody has come")
}

// Whoever has read a token before its message was published, which never is, holds
// nothing up: no goroutine, no door.
func TestParcelWithdrawnWhileFetched(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[any](t, &proc.QueueOptions{MaxBytes: 1 << 16})
	for q.TryPut(make([]byte, 1<<10)) == nil {
	}
	for q.TryPut(nil) == nil {
	}
	giveUp, cancel := context.WithCancel(ctx)
	put := make(chan error, 1)
	out := newOutput(t)
	go func() { put <- q.Put(giveUp, out.W) }()
	require.Eventually(t, func() bool { return len(proc.TokensOf()) == 1 }, time.Minute, time.Millisecond)
	early, err := net.Dial("unixpacket", door(t))
	require.NoError(t, err)
	defer early.Close()
	_, err = early.Write([]byte(proc.TokensOf()[0]))
	require.NoError(t, err)
	n, err := early.Read(make([]byte, 1))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = early.Write([]byte{1}) // done
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, <-put, context.Canceled)
	eventuallyNoDoor(t)
	n, err = early.Read(make([]byte, 1))
	require.Zero(t, n, "it is served no more: %v", err)
}

// Messages that no queue has written are items that cannot be decoded.
func FuzzQueueItem(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0x82, 1, 2})
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{1, 1, 0xa0})
	f.Add([]byte("\x01\x20\xa4\x64Door\x62@x\x65Token\x61x\x65Files\x01\x65Table\x80"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		v, err := proc.UnpackItem(msg)
		if err != nil && !errors.Is(err, proc.ErrHandleGone) && v != nil {
			t.Fatalf("%v and %v", err, v)
		}
	})
}
