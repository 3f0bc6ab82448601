package proc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// pipe makes a pipe whose ends are closed after the test.
func pipe(t testing.TB, o *proc.PipeOptions) (a, b *proc.Conn) {
	t.Helper()
	a, b, err := proc.Pipe(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// parrot sends back what it receives, as what it was sent, until the stream ends.
var parrot = proc.Register("parrot", func(ctx context.Context, c *proc.Conn) error {
	for {
		b, err := c.RecvBytes(ctx, 0)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = c.SendBytes(ctx, b)
		}
		if err != nil {
			return err
		}
	}
})

// parroted starts a parrot at the other end of a new pipe.
func parroted(t testing.TB, o *proc.PipeOptions) (*proc.Conn, *proc.Process) {
	t.Helper()
	a, b := pipe(t, o)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p, err := parrot.Start(ctx, b, nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Kill()
		<-p.Done()
	})
	return a, p
}

type manifest struct {
	Text  string
	Map   map[string][]int
	Any   any
	Float *float64
	Next  *manifest
	When  time.Time
}

// mirror sends back the values that it receives.
var mirror = proc.Register("mirror", func(ctx context.Context, c *proc.Conn) error {
	for {
		var m manifest
		if err := c.Recv(ctx, &m); err != nil {
			return err
		}
		if err := c.Send(ctx, m); err != nil {
			return err
		}
	}
})

// C01: values and bytes arrive as they were sent, and the end of the stream is one.
func TestPipeC01(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	p := start(t, mirror, b, nil)
	f := 2.5
	in := manifest{
		Text: "text with \x00 and é", Map: map[string][]int{"a": {1, 2}, "": nil}, Any: "any", Float: &f,
		Next: &manifest{Text: strings.Repeat("long ", 50_000)}, When: time.Unix(1, 234_567_891).UTC(),
	}
	for range 3 {
		require.NoError(t, a.Send(ctx, in))
		var out manifest
		require.NoError(t, a.Recv(ctx, &out))
		require.Equal(t, in, out)
	}
	for name, v := range map[string]any{"int": int64(7), "string": "s", "slice": []any{int64(1), "b", nil}, "map": map[any]any{int64(1): true}, "nil": nil} {
		x, y := pipe(t, nil)
		require.NoError(t, x.Send(ctx, v))
		var out any
		require.NoError(t, y.Recv(ctx, &out), name)
		require.Equal(t, v, out, name)
	}
	require.NoError(t, a.Close())
	require.Equal(t, 1, code(t, p), "its Recv returned io.EOF")

	c, p := parroted(t, nil)
	for _, s := range []string{"hello", "", "\x00"} {
		require.NoError(t, c.SendBytes(ctx, []byte(s)))
		got, err := c.RecvBytes(ctx, 0)
		require.NoError(t, err)
		require.Equal(t, s, string(got))
	}
	require.NoError(t, c.Close())
	require.Zero(t, code(t, p))
}

// C02: RecvInto writes the message and nothing else.
func TestRecvIntoC02(t *testing.T) {
	ctx := watchdog(t)
	c, _ := parroted(t, nil)
	buf := bytes.Repeat([]byte("."), 20)
	require.NoError(t, c.SendBytes(ctx, []byte("hello")))
	n, err := c.RecvInto(ctx, buf[3:])
	require.NoError(t, err)
	require.Equal(t, 5, n)
	require.Equal(t, "...hello............", string(buf))

	require.NoError(t, c.SendBytes(ctx, nil))
	n, err = c.RecvInto(ctx, nil)
	require.NoError(t, err)
	require.Zero(t, n)
}

// C03: a message that is longer than the buffer is not lost, and not there twice.
func TestShortBufferC03(t *testing.T) {
	ctx := watchdog(t)
	c, _ := parroted(t, nil)
	require.NoError(t, c.SendBytes(ctx, []byte("a long message")))
	require.NoError(t, c.SendBytes(ctx, []byte("next")))
	buf := []byte("untouched")
	n, err := c.RecvInto(ctx, buf)
	require.Zero(t, n)
	var short *proc.ShortBufferError
	require.ErrorAs(t, err, &short)
	require.ErrorIs(t, err, io.ErrShortBuffer)
	require.EqualError(t, err, "short buffer for a message of 14 bytes")
	require.Equal(t, "a long message", string(short.Message))
	require.Equal(t, "untouched", string(buf))
	n, err = c.RecvInto(ctx, buf)
	require.NoError(t, err)
	require.Equal(t, "next", string(buf[:n]))
}

// RecvBytes with a limit leaves what is longer.
func TestRecvBytesLimit(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	require.NoError(t, a.SendBytes(ctx, []byte("five!")))
	for range 2 {
		_, err := b.RecvBytes(ctx, 4)
		require.ErrorIs(t, err, proc.ErrTooLong)
		require.ErrorContains(t, err, "5 bytes, limit 4")
	}
	got, err := b.RecvBytes(ctx, 5)
	require.NoError(t, err)
	require.Equal(t, "five!", string(got))
}

// C04: Poll waits as long as it is told, and no longer than for a message.
func TestPollC04(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	ok, err := b.Poll(over())
	require.NoError(t, err)
	require.False(t, ok)

	began := time.Now()
	brief, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	ok, err = b.Poll(brief)
	require.NoError(t, err)
	require.False(t, ok)
	require.GreaterOrEqual(t, time.Since(began), 50*time.Millisecond)

	sent := make(chan error, 1)
	go func() { sent <- a.SendBytes(ctx, []byte("now")) }()
	ok, err = b.Poll(ctx)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, <-sent)

	require.NoError(t, a.Close())
	ok, err = b.Poll(over())
	require.NoError(t, err)
	require.True(t, ok, "what was sent is there")
	_, err = b.RecvBytes(ctx, 0)
	require.NoError(t, err)
	_, err = b.Poll(ctx)
	require.Equal(t, io.EOF, err)
}

// C05: 16 MiB in one message.
func TestBigMessageC05(t *testing.T) {
	ctx := watchdog(t)
	c, p := parroted(t, nil)
	big := make([]byte, 16<<20)
	rand.NewChaCha8([32]byte{5}).Read(big)
	require.NoError(t, c.SendBytes(ctx, big))
	got, err := c.RecvBytes(ctx, 0)
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, got))
	require.NoError(t, c.Close())
	require.Zero(t, code(t, p))

	a, b := pipe(t, nil)
	start(t, mirror, b, nil)
	in := manifest{Text: strings.Repeat("sixteen letters.", 1<<16), Any: big}
	require.NoError(t, a.Send(ctx, in))
	var out manifest
	require.NoError(t, a.Recv(ctx, &out))
	require.True(t, in.Text == out.Text && bytes.Equal(big, out.Any.([]byte)))

	x, _ := pipe(t, &proc.PipeOptions{MaxMessage: 1000})
	require.NoError(t, x.SendBytes(ctx, make([]byte, 1000)))
	require.ErrorIs(t, x.SendBytes(ctx, make([]byte, 1001)), ringbuf.ErrTooLarge)
}

// C06: after everything that was sent comes the end, for all who receive; and who
// sends is told too.
func TestEndC06(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	require.True(t, a.Readable() && a.Writable() && b.Readable() && b.Writable())
	require.NoError(t, a.SendBytes(ctx, []byte("last words")))
	require.NoError(t, a.Close())
	got, err := b.RecvBytes(ctx, 0)
	require.NoError(t, err)
	require.Equal(t, "last words", string(got))
	for range 2 {
		require.Equal(t, io.EOF, b.Recv(ctx, new(any)))
		_, err = b.RecvBytes(ctx, 0)
		require.Equal(t, io.EOF, err)
		_, err = b.RecvInto(ctx, nil)
		require.Equal(t, io.EOF, err)
		_, err = b.RecvFile(ctx)
		require.Equal(t, io.EOF, err)
	}
	err = b.Send(ctx, "nobody")
	require.ErrorIs(t, err, ringbuf.ErrNoConsumer)
	require.NotErrorIs(t, err, ringbuf.ErrPeerDied)
}

// farewell sends one message and ends, in one way or another, without Close.
var farewell = proc.Register("farewell", func(ctx context.Context, a farewellArg) error {
	if err := a.Conn.Send(ctx, "goodbye"); err != nil {
		return err
	}
	switch a.How {
	case "error":
		return errors.New("as the test wants")
	case "killed":
		<-ctx.Done()
	}
	return nil
})

type farewellArg struct {
	Conn *proc.Conn
	How  string
}

// C06: a process that ends in order closes its pipes, one that is killed does not.
func TestEndOfProcessC06(t *testing.T) {
	ctx := watchdog(t)
	for _, how := range []string{"returned", "error", "killed"} {
		t.Run(how, func(t *testing.T) {
			a, b := pipe(t, nil)
			p := start(t, farewell, farewellArg{b, how}, nil)
			var s string
			require.NoError(t, a.Recv(ctx, &s))
			require.Equal(t, "goodbye", s)
			if how == "killed" {
				require.NoError(t, p.Kill())
				require.ErrorIs(t, a.Recv(ctx, &s), ringbuf.ErrPeerDied)
				err := a.Send(ctx, s)
				require.ErrorIs(t, err, ringbuf.ErrPeerDied)
				require.ErrorIs(t, err, ringbuf.ErrNoConsumer)
				return
			}
			require.Equal(t, io.EOF, a.Recv(ctx, &s))
			require.ErrorIs(t, a.Send(ctx, s), ringbuf.ErrNoConsumer)
		})
	}
}

// C07: a one-way pipe has a direction.
func TestOneWayC07(t *testing.T) {
	ctx := watchdog(t)
	r, w := pipe(t, &proc.PipeOptions{OneWay: true})
	require.True(t, r.Readable() && !r.Writable() && !w.Readable() && w.Writable())
	require.NoError(t, w.Send(ctx, 1))
	var n int
	require.NoError(t, r.Recv(ctx, &n))
	require.Equal(t, 1, n)

	require.ErrorIs(t, r.Send(ctx, 1), proc.ErrOneWay)
	require.ErrorIs(t, r.SendBytes(ctx, nil), proc.ErrOneWay)
	require.ErrorIs(t, r.SendFile(ctx, mustOpen(t, "/dev/null")), proc.ErrOneWay)
	require.ErrorIs(t, w.Recv(ctx, &n), proc.ErrOneWay)
	_, err := w.RecvBytes(ctx, 0)
	require.ErrorIs(t, err, proc.ErrOneWay)
	_, err = w.RecvInto(ctx, nil)
	require.ErrorIs(t, err, proc.ErrOneWay)
	_, err = w.RecvFile(ctx)
	require.ErrorIs(t, err, proc.ErrOneWay)
	_, err = w.Poll(over())
	require.ErrorIs(t, err, proc.ErrOneWay)
	_, err = w.PollFile()
	require.ErrorIs(t, err, proc.ErrOneWay)
}

// C08: the parent closes the child's end at once, and nothing happens to the child.
func TestCloseAfterStartC08(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	p := start(t, parrot, b, nil)
	require.True(t, b.Closed(), "given away")
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	require.NoError(t, a.SendBytes(ctx, []byte("still there?")))
	got, err := a.RecvBytes(ctx, 0)
	require.NoError(t, err)
	require.Equal(t, "still there?", string(got))
	require.NoError(t, a.Close())
	require.Zero(t, code(t, p), "it has found the end of the stream")
}

// C09: parts of a slice are sent by slicing, also empty ones.
func TestWindowsC09(t *testing.T) {
	ctx := watchdog(t)
	c, _ := parroted(t, nil)
	letters := []byte("abcdefghijklmnopqrstuvwxyz")
	for _, window := range [][]byte{letters[2:], letters[7 : 7+8], letters[24:], letters[26:], letters[:0]} {
		require.NoError(t, c.SendBytes(ctx, window))
		got, err := c.RecvBytes(ctx, 0)
		require.NoError(t, err)
		require.Equal(t, string(window), string(got))
	}
}

// C13: a closed end says so, to every call; also one that waits.
func TestCloseC13(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	require.False(t, a.Closed())
	failed := make(chan error)
	go func() { failed <- a.Recv(ctx, new(any)) }()
	go func() { _, err := a.Poll(ctx); failed <- err }()
	go func() {
		var err error
		for err == nil {
			err = a.SendBytes(ctx, make([]byte, 10_000)) // until there is no room
		}
		failed <- err
	}()
	require.NoError(t, a.Close())
	for range 3 {
		require.ErrorIs(t, <-failed, proc.ErrClosed)
	}
	require.NoError(t, a.Close())
	require.True(t, a.Closed() && !b.Closed())
	require.ErrorIs(t, a.Send(ctx, 1), proc.ErrClosed)
	require.ErrorIs(t, a.SendBytes(ctx, nil), proc.ErrClosed)
	require.ErrorIs(t, a.SendFile(ctx, mustOpen(t, "/dev/null")), proc.ErrClosed)
	require.ErrorIs(t, a.Recv(ctx, new(any)), proc.ErrClosed)
	_, err := a.RecvBytes(ctx, 0)
	require.ErrorIs(t, err, proc.ErrClosed)
	_, err = a.RecvFile(ctx)
	require.ErrorIs(t, err, proc.ErrClosed)
	require.Equal(t, "Conn(duplex, closed)", a.String())
}

// C33: what is no pipe, or none any more, gives errors.
func TestInvalidC33(t *testing.T) {
	ctx := watchdog(t)
	a, _ := pipe(t, nil)
	require.NoError(t, a.Close())
	for _, c := range []*proc.Conn{a, new(proc.Conn)} {
		_, err := c.Poll(ctx)
		require.ErrorIs(t, err, proc.ErrClosed)
		_, err = c.PollFile()
		require.ErrorIs(t, err, proc.ErrClosed)
		require.ErrorIs(t, c.Send(ctx, 1), proc.ErrClosed)
		require.ErrorIs(t, c.Recv(ctx, new(any)), proc.ErrClosed)
		require.NoError(t, c.Close())
		require.NotEmpty(t, c.String())
	}
	for _, o := range []proc.PipeOptions{{Capacity: -1}, {MaxMessage: -1}, {Capacity: 1 << 60}, {MaxMessage: 1 << 60}, {MaxMessage: 1<<63 - 1}} {
		_, _, err := proc.Pipe(&o)
		require.ErrorIs(t, err, ringbuf.ErrSize, "%+v", o)
	}
}

// C15: Poll is true for an empty message, for as long as it is there.
func TestPollEmptyC15(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	p := start(t, sendAll, sendAllArg{b, []string{""}}, nil)
	for range 5 {
		ok, err := a.Poll(ctx)
		require.NoError(t, err)
		require.True(t, ok)
	}
	got, err := a.RecvBytes(ctx, 0)
	require.NoError(t, err)
	require.Empty(t, got)
	require.Zero(t, code(t, p))
	_, err = a.Poll(ctx)
	require.Equal(t, io.EOF, err)
}

var sendAll = proc.Register("sendAll", func(ctx context.Context, a sendAllArg) error {
	for _, s := range a.Messages {
		if err := a.Conn.SendBytes(ctx, []byte(s)); err != nil {
			return err
		}
	}
	return nil
})

type sendAllArg struct {
	Conn     *proc.Conn
	Messages []string
}

// C16, C18: a stream of messages arrives in order, none torn, none merged, with and
// without Poll in between.
func TestMessagesC16C18(t *testing.T) {
	ctx := watchdog(t)
	for _, messages := range [][]string{
		{"hello", "", "a", "b", "", "bye", "", "lop"}, // C16
		{"a", "b", "cd"}, // C18
		slices.Repeat([]string{"", strings.Repeat("long", 30_000), "x"}, 50),
	} {
		for _, polls := range []int{0, 1, 2} {
			a, b := pipe(t, nil)
			start(t, sendAll, sendAllArg{b, messages}, nil)
			for _, want := range messages {
				for range polls {
					ok, err := a.Poll(ctx)
					require.NoError(t, err)
					require.True(t, ok)
				}
				got, err := a.RecvBytes(ctx, 0)
				require.NoError(t, err)
				require.True(t, want == string(got), "%d bytes, want %d", len(got), len(want))
			}
			_, err := a.RecvBytes(ctx, 0)
			require.Equal(t, io.EOF, err)
		}
	}
}

// watchful polls, says so, and receives when it is told to.
var watchful = proc.Register("watchful", func(ctx context.Context, a watchfulArg) error {
	for range 2 {
		ok, err := a.Conn.Poll(ctx)
		if err != nil {
			return err
		}
		if err := a.Tell.Send(ctx, ok); err != nil {
			return err
		}
	}
	b, err := a.Conn.RecvBytes(ctx, 0)
	if err != nil {
		return err
	}
	return a.Tell.Send(ctx, b)
})

type watchfulArg struct{ Conn, Tell *proc.Conn }

// C17: Poll in another process takes no part of a message.
func TestPollBoundariesC17(t *testing.T) {
	ctx := watchdog(t)
	r, w := pipe(t, &proc.PipeOptions{OneWay: true})
	told, tell := pipe(t, &proc.PipeOptions{OneWay: true})
	p := start(t, watchful, watchfulArg{r, tell}, nil)
	big := bytes.Repeat([]byte("a message larger than what any pipe holds "), 100_000)
	require.NoError(t, w.SendBytes(ctx, big))
	var ok bool
	for range 2 {
		require.NoError(t, told.Recv(ctx, &ok))
		require.True(t, ok)
	}
	var got []byte
	require.NoError(t, told.Recv(ctx, &got))
	require.True(t, bytes.Equal(big, got))
	require.Zero(t, code(t, p))
}

// What is sent in one form can be received in others, where that makes sense.
func TestForms(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	require.NoError(t, a.SendBytes(ctx, []byte("raw")))
	var raw []byte
	require.NoError(t, b.Recv(ctx, &raw))
	require.Equal(t, "raw", string(raw))

	require.NoError(t, a.Send(ctx, []byte("value")))
	require.NoError(t, b.Recv(ctx, &raw))
	require.Equal(t, "value", string(raw))

	require.NoError(t, a.Send(ctx, "text"))
	coded, err := b.RecvBytes(ctx, 0)
	require.NoError(t, err)
	require.Equal(t, "\x64text", string(coded), "CBOR")
	require.NoError(t, a.SendBytes(ctx, coded))
	var text string
	require.NoError(t, b.Recv(ctx, &text))
	require.Equal(t, "text", text)

	require.NoError(t, a.SendBytes(ctx, []byte("\xffno CBOR")))
	require.Error(t, b.Recv(ctx, &text))
	require.NoError(t, a.Send(ctx, "a string"))
	var n int
	require.ErrorContains(t, b.Recv(ctx, &n), "receive *int")
	require.ErrorIs(t, a.Send(ctx, struct{ C chan int }{make(chan int)}), proc.ErrArgument)
	ok, err := b.Poll(over())
	require.NoError(t, err)
	require.False(t, ok, "what could not be decoded is gone, what could not be encoded never came")
}

// Several goroutines send and receive through one end: nothing is lost or torn, and
// waiting for the turn ends with the context.
func TestManyGoroutines(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, &proc.PipeOptions{Capacity: 1 << 16})
	const senders, each = 4, 500
	failed := make(chan error, 2*senders)
	for g := range senders {
		go func() {
			var err error
			for i := 0; i < each && err == nil; i++ {
				err = a.Send(ctx, []int{g, i})
			}
			failed <- err
		}()
	}
	got := make(chan []int, senders*each)
	for range senders {
		go func() {
			var err error
			for range each {
				var v []int
				if err = b.Recv(ctx, &v); err != nil {
					break
				}
				got <- v
			}
			failed <- err
		}()
	}
	for range 2 * senders {
		require.NoError(t, <-failed)
	}
	seen := map[string]bool{}
	for range senders * each {
		seen[fmt.Sprint(<-got)] = true
	}
	require.Len(t, seen, senders*each)

	waits, cancel := context.WithCancel(ctx)
	go func() { failed <- b.Recv(waits, new(any)) }()
	ok, err := b.Poll(over())
	require.NoError(t, err)
	require.False(t, ok)
	brief, stop := context.WithTimeout(ctx, 20*time.Millisecond)
	defer stop()
	require.ErrorIs(t, b.Recv(brief, new(any)), context.DeadlineExceeded)
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	require.NoError(t, a.Send(ctx, 1))
	require.NoError(t, b.Recv(ctx, new(any)), "the pipe is as it was")
}

// SendBytes and RecvInto allocate nothing.
func TestPipeCost(t *testing.T) {
	ctx := context.Background()
	a, b := pipe(t, nil)
	message, buf := make([]byte, 64), make([]byte, 64)
	trip := func() {
		if err := a.SendBytes(ctx, message); err != nil {
			t.Error(err)
		}
		if n, err := b.RecvInto(ctx, buf); n != 64 || err != nil {
			t.Error(n, err)
		}
	}
	trip()
	require.Zero(t, testing.AllocsPerRun(100, trip))
}
