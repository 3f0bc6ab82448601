package proc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/shm"
)

// crate has shared objects of all kinds at several depths.
type crate struct {
	Label string
	Inner struct {
		Arrays map[string]*shm.Array[int64]
		Deep   []*crate
	}
	Segment *shm.Segment
	Out     *ringbuf.Producer
	In      *ringbuf.Consumer
	Conn    *proc.Conn
	Any     any
}

// unpack receives a crate and uses everything in it.
var unpack = proc.Register("unpack", func(ctx context.Context, c *proc.Conn) error {
	var got crate
	if err := c.Recv(ctx, &got); err != nil {
		return err
	}
	inner := got.Inner.Deep[0]
	if inner.Label != "inner" {
		return fmt.Errorf("label %q", inner.Label)
	}
	if err := got.Inner.Arrays["counts"].Update(ctx, 1, func(n *int64) error { *n = 41; return nil }); err != nil {
		return err
	}
	copy(got.Segment.Bytes(), "segment")
	b, err := inner.In.Recv(ctx, nil)
	if err != nil {
		return err
	}
	if err := inner.Out.Send(ctx, append(b, " and ring"...)); err != nil {
		return err
	}
	return inner.Conn.Send(ctx, "conn")
})

// Values with shared objects at any depth travel through a pipe, and roles with them.
func TestHandlesInMessage(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	p := start(t, unpack, b, nil)
	counts, err := shm.NewArray[int64]("", 4, nil)
	require.NoError(t, err)
	defer counts.Close()
	segment, err := shm.Create("", 4096, nil)
	require.NoError(t, err)
	defer segment.Close()
	in, out := newRing(t), newRing(t)
	send, theirIn := ends(t, in)
	theirOut, recv := ends(t, out)
	x, y := pipe(t, nil)
	c := crate{Label: "outer", Segment: segment, Any: 7}
	c.Inner.Arrays = map[string]*shm.Array[int64]{"counts": counts}
	c.Inner.Deep = []*crate{{Label: "inner", Out: theirOut, In: theirIn, Conn: y}}
	require.NoError(t, a.Send(ctx, c))
	require.True(t, y.Closed(), "given away")
	require.ErrorIs(t, theirOut.Send(ctx, nil), ringbuf.ErrClosed)

	require.NoError(t, send.Send(ctx, []byte("ring")))
	got, err := recv.Recv(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, "ring and ring", string(got))
	var text string
	require.NoError(t, x.Recv(ctx, &text))
	require.Equal(t, "conn", text)
	require.Zero(t, code(t, p))
	n, err := counts.At(1)
	require.NoError(t, err)
	require.EqualValues(t, 41, n)
	require.Equal(t, "segment", string(segment.Bytes()[:7]))
}

// sum receives many files in one message and says what is in them.
var sum = proc.Register("sum", func(ctx context.Context, c *proc.Conn) error {
	var fs []*file
	if err := c.Recv(ctx, &fs); err != nil {
		return err
	}
	var texts []string
	for _, f := range fs {
		b, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		texts = append(texts, string(b))
	}
	return c.Send(ctx, texts)
})

// 300 descriptors, more than one datagram holds, are one message.
func TestManyDescriptors(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	p := start(t, sum, b, nil)
	var fs []*file
	var want []string
	dir := t.TempDir()
	for i := range 300 {
		name := filepath.Join(dir, fmt.Sprint(i))
		require.NoError(t, os.WriteFile(name, []byte(name), 0o600))
		fs = append(fs, &file{File: mustOpen(t, name)})
		want = append(want, name)
	}
	require.NoError(t, a.Send(ctx, fs))
	var got []string
	require.NoError(t, a.Recv(ctx, &got))
	require.Equal(t, want, got)
	require.Zero(t, code(t, p))
}

// A message that cannot be sent leaves everything in it here.
func TestFailedSend(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, &proc.PipeOptions{Capacity: 1 << 16})
	x, y := pipe(t, nil)
	ring := newRing(t)
	p, _ := ends(t, ring)
	here := func(c *proc.Conn) {
		t.Helper()
		require.False(t, c.Closed())
		require.NoError(t, c.SendBytes(ctx, []byte("here")))
		other := map[*proc.Conn]*proc.Conn{x: y, y: x, a: b}[c]
		got, err := other.RecvBytes(ctx, 0)
		require.NoError(t, err)
		require.Equal(t, "here", string(got))
	}
	err := a.Send(ctx, []any{y, p, func() {}})
	require.ErrorIs(t, err, proc.ErrArgument)
	here(y)
	require.NoError(t, p.TrySend(nil))

	err = a.Send(ctx, []*proc.Conn{y, y})
	require.ErrorIs(t, err, proc.ErrArgument)
	require.ErrorIs(t, err, proc.ErrClosed, "a Conn cannot be in two places")
	here(y)

	err = a.Send(ctx, a)
	require.ErrorIs(t, err, proc.ErrClosed, "not even through itself")
	here(a)

	for _, size := range []int{1000, 0} {
		for err = nil; err == nil; {
			err = a.SendBytes(over(), make([]byte, size))
		}
		require.ErrorIs(t, err, context.Canceled)
	}
	require.ErrorIs(t, a.Send(over(), []any{y, p}), context.Canceled)
	here(y)
	require.NoError(t, p.TrySend(nil))

	require.NoError(t, b.Close())
	require.ErrorIs(t, a.Send(ctx, []any{y, p}), ringbuf.ErrNoConsumer)
	here(y)
	require.NoError(t, p.TrySend(nil))
}

// A start that fails leaves a Conn here, with what it had found.
func TestFailedStartKeepsConn(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	require.NoError(t, a.SendBytes(ctx, []byte("found")))
	ok, err := b.Poll(ctx)
	require.NoError(t, err)
	require.True(t, ok)
	_, err = parrot.Start(ctx, b, &proc.Options{Dir: "/nonexistent"})
	require.ErrorIs(t, err, os.ErrNotExist)
	got, err := b.RecvBytes(ctx, 0)
	require.NoError(t, err)
	require.Equal(t, "found", string(got))
	require.NoError(t, b.SendFile(ctx, mustOpen(t, os.DevNull)))
	f, err := a.RecvFile(ctx)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// What was found here and not received is the new owner's, and so is what lies behind.
func TestConnMovesWithMessages(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	null := mustOpen(t, os.DevNull)
	for _, s := range []string{"first", "second"} {
		require.NoError(t, a.SendBytes(ctx, []byte(s)))
	}
	ok, err := b.Poll(ctx)
	require.NoError(t, err)
	require.True(t, ok)
	waits := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			err = b.SendFile(ctx, null) // until it is given away, perhaps in the middle
		}
		waits <- err
	}()
	f, err := a.RecvFile(ctx)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	p := start(t, parrot, b, nil)
	require.ErrorIs(t, <-waits, proc.ErrClosed)
	var back []string
	for len(back) < 2 {
		s, err := a.RecvBytes(ctx, 0)
		if errors.Is(err, proc.ErrMessageKind) {
			f, err := a.RecvFile(ctx)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			continue
		}
		require.NoError(t, err)
		back = append(back, string(s))
	}
	require.Equal(t, []string{"first", "second"}, back)
	require.NoError(t, a.Close())
	require.Zero(t, code(t, p))
}

// A Conn that is given away while goroutines receive: each message is received once,
// here or there.
func TestConnMovesWhileReceiving(t *testing.T) {
	ctx := watchdog(t)
	for range 30 {
		a, b := pipe(t, nil)
		x, y := pipe(t, nil)
		const messages = 2000
		sent := make(chan error, 1)
		go func() {
			var err error
			for i := 0; i < messages && err == nil; i++ {
				for i == messages-1 && !b.Closed() {
					runtime.Gosched() // so that the receivers here cannot have had them all
				}
				err = a.Send(ctx, i)
			}
			sent <- err
		}()
		got := make(chan int, messages)
		ended := make(chan error)
		receive := func(c *proc.Conn, limit int) {
			for range limit {
				var i int
				if err := c.Recv(ctx, &i); err != nil {
					ended <- err
					return
				}
				got <- i
			}
			ended <- nil
		}
		for range 2 {
			go receive(b, messages)
		}
		first := <-got
		require.NoError(t, x.Send(ctx, b))
		for range 2 {
			require.ErrorIs(t, <-ended, proc.ErrClosed)
		}
		var there *proc.Conn
		require.NoError(t, y.Recv(ctx, &there))
		go receive(there, messages-1-len(got))
		require.NoError(t, <-ended)
		require.NoError(t, <-sent)
		seen := map[int]bool{first: true}
		for len(got) > 0 {
			seen[<-got] = true
		}
		require.Len(t, seen, messages)
		require.NoError(t, there.Close())
	}
}

// What did not arrive because its sender has ended, arrives closed.
func TestConnGone(t *testing.T) {
	ctx := watchdog(t)
	_, b := pipe(t, nil)
	data, hs, err := handle.Encode(func() ([]byte, error) { return codec.Marshal(b) })
	require.NoError(t, err)
	table, _ := handle.NewTable(hs)
	var c *proc.Conn
	err = handle.Decode(context.Background(), data, table.Gone(), func(data []byte) error { return codec.Unmarshal(data, &c) })
	require.ErrorIs(t, err, handle.ErrGone)
	require.True(t, c.Closed())
	require.ErrorIs(t, c.Send(ctx, 1), proc.ErrClosed)
	for _, h := range hs {
		h.Failed()
	}
	require.False(t, b.Closed())
}

// pass hands the Conn that it receives on, to a grandchild or through another Conn.
var pass *proc.Func[passArg]

func init() { pass = proc.Register("pass", runPass) }

func runPass(ctx context.Context, a passArg) error {
	c := a.Conn
	if a.Through != nil {
		if err := a.Through.Recv(ctx, &c); err != nil {
			return err
		}
	}
	if a.Depth == 0 {
		var s string
		if err := c.Recv(ctx, &s); err != nil {
			return err
		}
		return c.Send(ctx, s+" by "+proc.Current().Name())
	}
	a.Depth--
	if a.Through == nil {
		p, err := pass.Start(ctx, passArg{Conn: c, Depth: a.Depth}, nil)
		if err != nil {
			return err
		}
		return p.Wait(ctx)
	}
	x, y, err := proc.Pipe(nil)
	if err != nil {
		return err
	}
	p, err := pass.Start(ctx, passArg{Through: y, Depth: a.Depth}, nil)
	if err != nil {
		return err
	}
	if err := x.Send(ctx, c); err != nil {
		return err
	}
	return p.Wait(ctx)
}

type passArg struct {
	Conn, Through *proc.Conn
	Depth         int
}

// C26: an end of a pipe goes to grandchildren, as an argument and through other pipes.
func TestConnTravelsC26(t *testing.T) {
	ctx := watchdog(t)
	for name, through := range map[string]bool{"argument": false, "message": true} {
		t.Run(name, func(t *testing.T) {
			a, b := pipe(t, nil)
			arg := passArg{Conn: b, Depth: 2}
			var x *proc.Conn
			if through {
				arg.Conn = nil
				x, arg.Through = pipe(t, nil)
			}
			p := start(t, pass, arg, nil)
			if through {
				require.NoError(t, x.Send(ctx, b))
			}
			require.NoError(t, a.Send(ctx, "answered"))
			var s string
			require.NoError(t, a.Recv(ctx, &s))
			require.Regexp(t, `^answered by pass-\d+:1:1$`, s)
			require.Equal(t, io.EOF, a.Recv(ctx, &s))
			require.Zero(t, code(t, p))
		})
	}
}

// giver sends both ends of a pipe, with something in it, and has ended when they are
// received.
var giver = proc.Register("giver", func(ctx context.Context, c *proc.Conn) error {
	x, y, err := proc.Pipe(nil)
	if err != nil {
		return err
	}
	if err := x.Send(ctx, "from the past"); err != nil {
		return err
	}
	return c.Send(ctx, []*proc.Conn{x, y})
})

// Roles whose sender has ended are taken over by who receives them.
func TestConnsOfEndedSender(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	require.Zero(t, code(t, start(t, giver, b, nil)))
	var both []*proc.Conn
	require.NoError(t, a.Recv(ctx, &both))
	for i, c := range both {
		defer c.Close()
		require.NoError(t, c.Send(ctx, fmt.Sprint("from ", i)))
	}
	var s string
	for i, want := range []string{"from 1", "from the past"} {
		require.NoError(t, both[i].Recv(ctx, &s))
		require.Equal(t, want, s)
	}
	require.NoError(t, both[1].Recv(ctx, &s))
	require.Equal(t, "from 0", s)
	require.Equal(t, io.EOF, a.Recv(ctx, &s))
}

// access uses the two ends that it receives in the direction that each has.
var access = proc.Register("access", func(ctx context.Context, c *proc.Conn) error {
	var r, w *proc.Conn
	if err := errors.Join(c.Recv(ctx, &r), c.Recv(ctx, &w)); err != nil {
		return err
	}
	if r.Writable() || w.Readable() || !errors.Is(r.Send(ctx, 1), proc.ErrOneWay) || !errors.Is(w.Recv(ctx, new(any)), proc.ErrOneWay) {
		return errors.New("the ends have lost their direction")
	}
	var s string
	if err := r.Recv(ctx, &s); err != nil {
		return err
	}
	return w.Send(ctx, s+" back")
})

// C27: the ends of one-way pipes keep their direction.
func TestAccessC27(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	start(t, access, b, nil)
	theirR, w := pipe(t, &proc.PipeOptions{OneWay: true})
	r, theirW := pipe(t, &proc.PipeOptions{OneWay: true})
	require.NoError(t, a.Send(ctx, theirR))
	require.NoError(t, a.Send(ctx, theirW))
	require.NoError(t, w.Send(ctx, "there and"))
	var s string
	require.NoError(t, r.Recv(ctx, &s))
	require.Equal(t, "there and back", s)
}

// Roles in a message that nobody ever receives fall vacant, whether the receiver
// closes its end or dies.
func TestLifeline(t *testing.T) {
	ctx := watchdog(t)
	for _, dies := range []bool{false, true} {
		t.Run(fmt.Sprintf("dies %v", dies), func(t *testing.T) {
			a, b := pipe(t, nil)
			ring := newRing(t)
			p, c := ends(t, ring)
			x, y := pipe(t, nil)
			require.NoError(t, a.Send(ctx, []any{p, y}))
			_, err := ring.Producer()
			require.ErrorIs(t, err, ringbuf.ErrBusy, "on its way")
			if dies {
				child, err := idle.Start(ctx, b, nil)
				require.NoError(t, err)
				require.NoError(t, child.Kill())
				<-child.Done()
			} else {
				require.NoError(t, b.Close())
			}
			_, err = c.Recv(ctx, nil)
			require.ErrorIs(t, err, ringbuf.ErrPeerDied)
			require.ErrorIs(t, x.Recv(ctx, new(any)), ringbuf.ErrPeerDied)
		})
	}
}

// idle has a Conn and does nothing with it.
var idle = proc.Register("idle", func(ctx context.Context, c *proc.Conn) error {
	<-ctx.Done()
	return nil
})

// What a message's sender holds in trust ends when the message has arrived: no
// goroutine and no descriptor stays.
func TestLifelineEnds(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	for range 20 {
		x, y, err := proc.Pipe(nil)
		require.NoError(t, err)
		require.NoError(t, a.Send(ctx, y))
		var z *proc.Conn
		require.NoError(t, b.Recv(ctx, &z))
		require.NoError(t, x.Send(ctx, 1))
		require.NoError(t, z.Recv(ctx, new(int)))
		require.NoError(t, z.Close())
		require.NoError(t, x.Close())
	}
	fds := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	before := fds()
	for range 20 {
		x, y, err := proc.Pipe(nil)
		require.NoError(t, err)
		require.NoError(t, a.Send(ctx, []*proc.Conn{x}))
		var z []*proc.Conn
		require.NoError(t, b.Recv(ctx, &z))
		require.NoError(t, z[0].Close())
		require.NoError(t, y.Close())
	}
	for fds() > before && ctx.Err() == nil {
		runtime.Gosched()            // the goroutines of lifelines are on their way out
		time.Sleep(time.Millisecond) // sleep: between two looks at /proc, which cannot be waited for
	}
	require.NoError(t, ctx.Err())
}
