package proc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// scribe receives files and writes its name of each into it.
var scribe = proc.Register("scribe", func(ctx context.Context, c *proc.Conn) error {
	for {
		f, err := c.RecvFile(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = io.WriteString(f, "written by a child to "+filepath.Base(f.Name()))
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
})

// C10, C11: a descriptor that was sent can be used, whatever its number.
func TestFileC10C11(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	p := start(t, scribe, b, nil)
	low, err := os.Create(filepath.Join(t.TempDir(), "low"))
	require.NoError(t, err)
	fd, err := handle.DupFD(low)
	require.NoError(t, err)
	high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 900)
	require.NoError(t, err)
	unix.Close(fd)
	again := os.NewFile(uintptr(high), "high")
	require.NoError(t, a.SendFile(ctx, low))
	require.NoError(t, a.SendFile(ctx, again))
	require.NoError(t, low.Close())
	require.NoError(t, again.Close())
	require.ErrorIs(t, a.SendFile(ctx, low), os.ErrClosed)
	require.NoError(t, a.Close())
	require.Zero(t, code(t, p))
	text, err := os.ReadFile(low.Name())
	require.NoError(t, err)
	require.Equal(t, "written by a child to lowwritten by a child to high", string(text))
}

// Files, values and bytes keep their order, and each waits for the method that can
// receive it.
func TestKinds(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	require.NoError(t, a.SendFile(ctx, mustOpen(t, os.DevNull)))
	require.NoError(t, a.Send(ctx, "value"))
	require.NoError(t, a.Send(ctx, &file{File: mustOpen(t, os.DevNull)}))
	for range 2 {
		require.ErrorIs(t, b.Recv(ctx, new(any)), proc.ErrMessageKind)
		_, err := b.RecvBytes(ctx, 0)
		require.ErrorIs(t, err, proc.ErrMessageKind)
		_, err = b.RecvInto(ctx, nil)
		require.ErrorIs(t, err, proc.ErrMessageKind)
	}
	f, err := b.RecvFile(ctx)
	require.NoError(t, err)
	require.Equal(t, os.DevNull, f.Name())
	require.NoError(t, f.Close())
	_, err = b.RecvFile(ctx)
	require.ErrorIs(t, err, proc.ErrMessageKind)
	var s string
	require.NoError(t, b.Recv(ctx, &s))
	_, err = b.RecvBytes(ctx, 0)
	require.ErrorIs(t, err, proc.ErrMessageKind)
	require.ErrorContains(t, err, "with shared objects, for Recv")
	var got file
	require.NoError(t, b.Recv(ctx, &got))
	require.NoError(t, got.Close())
}

// C12: a message without its descriptor is an error, never another descriptor, and
// those after it arrive.
func TestMissingFileC12(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	for _, datagram := range []bool{false, true} {
		require.NoError(t, proc.SendWithout(a, datagram))
		_, err := b.RecvFile(ctx)
		require.ErrorIs(t, err, proc.ErrDescriptors)
		require.NoError(t, a.SendFile(ctx, mustOpen(t, os.DevNull)))
		f, err := b.RecvFile(ctx)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	t.Run("strays are discarded", func(t *testing.T) {
		out := newOutput(t)
		require.NoError(t, proc.SendStray(a, out.W.File, out.W.File))
		require.NoError(t, a.SendFile(ctx, mustOpen(t, os.DevNull)))
		f, err := b.RecvFile(ctx)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Empty(t, out.all(), "nobody has the descriptors")
	})
}

// What the kernel holds back, because the other end was closed with descriptors
// unread, is received all the same.
func TestFileAfterReset(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	null := mustOpen(t, os.DevNull)
	require.NoError(t, a.SendFile(ctx, null))
	require.NoError(t, b.SendFile(ctx, null))
	require.NoError(t, a.Close())
	f, err := b.RecvFile(ctx)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = b.RecvFile(ctx)
	require.Equal(t, io.EOF, err)
	require.ErrorIs(t, b.SendFile(ctx, null), ringbuf.ErrNoConsumer)
}

// C35: a deadline is that of one call. A sender of files waits while the system takes
// no more, and only so long.
func TestFullSocketC35(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	null := mustOpen(t, os.DevNull)
	sent, err := 0, error(nil)
	for err == nil {
		brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		if err = a.SendFile(brief, null); err == nil {
			sent++
		}
		cancel()
	}
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, a.SendBytes(ctx, []byte("needs no descriptor")))

	waits := make(chan error, 1)
	go func() { waits <- a.SendFile(ctx, null) }()
	receive := func() {
		f, err := b.RecvFile(ctx)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	for range sent {
		receive()
	}
	text, err := b.RecvBytes(ctx, 0)
	require.NoError(t, err)
	require.Equal(t, "needs no descriptor", string(text))
	require.NoError(t, <-waits)
	receive()

	for range sent {
		require.NoError(t, a.SendFile(ctx, null))
	}
	go func() { waits <- a.SendFile(ctx, null) }()
	require.NoError(t, b.Close())
	require.ErrorIs(t, <-waits, ringbuf.ErrNoConsumer)
}

// A receiver that dies while a sender waits for its socket is noticed.
func TestKilledWithFullSocket(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	p := start(t, idle, b, nil)
	null := mustOpen(t, os.DevNull)
	waits, sent := make(chan error, 1), make(chan bool)
	go func() {
		var err error
		for n := 0; err == nil; n++ {
			if err = a.SendFile(ctx, null); n == 50 {
				close(sent)
			}
		}
		waits <- err
	}()
	<-sent
	require.NoError(t, p.Kill())
	err := <-waits
	require.ErrorIs(t, err, ringbuf.ErrNoConsumer)
	require.ErrorIs(t, err, ringbuf.ErrPeerDied)
}

// Close ends a call that waits for the socket.
func TestCloseFullSocket(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	null := mustOpen(t, os.DevNull)
	waits := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			err = a.SendFile(ctx, null)
		}
		waits <- err
	}()
	f, err := b.RecvFile(ctx)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, a.Close())
	require.ErrorIs(t, <-waits, proc.ErrClosed)
}

// host serves one request on a socket that it is sent, which it reads from a file that
// it can only read and answers to one that it can only write.
var host = proc.Register("host", func(ctx context.Context, c *proc.Conn) error {
	var fs []*os.File
	for range 3 {
		f, err := c.RecvFile(ctx)
		if err != nil {
			return err
		}
		defer f.Close()
		fs = append(fs, f)
	}
	conn, err := net.FileConn(fs[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fs[1].WriteString("x"); err == nil {
		return errors.New("wrote to what can only be read")
	}
	if _, err := fs[2].Read(make([]byte, 1)); err == nil {
		return errors.New("read from what can only be written")
	}
	_, err = io.Copy(io.MultiWriter(conn, fs[2]), fs[1])
	return err
})

// C26, C27: sockets and the ends of kernel pipes can be sent, and stay what they are.
func TestSocketsC26C27(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	p := start(t, host, b, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	server, err := l.Accept()
	require.NoError(t, err)
	f, err := server.(*net.TCPConn).File()
	require.NoError(t, err)
	inR, inW, err := os.Pipe()
	require.NoError(t, err)
	outR, outW, err := os.Pipe()
	require.NoError(t, err)
	for _, f := range []*os.File{f, inR, outW} {
		require.NoError(t, a.SendFile(ctx, f))
		require.NoError(t, f.Close())
	}
	require.NoError(t, server.Close())
	_, err = inW.WriteString("through a socket and a pipe")
	require.NoError(t, err)
	require.NoError(t, inW.Close())
	for _, r := range []io.ReadCloser{client, outR} {
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "through a socket and a pipe", string(text))
		r.Close()
	}
	require.Zero(t, code(t, p))
}

// deaf is interrupted all the time while it receives and while it sends more than
// the pipe holds.
var deaf = proc.Register("deaf", func(ctx context.Context, c *proc.Conn) error {
	hears := make(chan os.Signal, 1)
	signal.Notify(hears, unix.SIGUSR1)
	if err := c.Send(ctx, "listening"); err != nil {
		return err
	}
	var text string
	if err := c.Recv(ctx, &text); err != nil {
		return err
	}
	for i := range 8 {
		if err := c.SendBytes(ctx, []byte(strings.Repeat(fmt.Sprint(i), 50_000))); err != nil {
			return err
		}
	}
	<-hears
	return c.Send(ctx, text)
})

// C36: signals that arrive in a call that waits lose nothing.
func TestSignalsC36(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, &proc.PipeOptions{Capacity: 1 << 16})
	p := start(t, deaf, b, nil)
	var text string
	require.NoError(t, a.Recv(ctx, &text))
	annoy := func() {
		for range 30 {
			require.NoError(t, unix.Kill(p.PID(), unix.SIGUSR1))
			time.Sleep(time.Millisecond) // sleep: so that it waits again, most times
		}
	}
	annoy()
	require.NoError(t, a.Send(ctx, "not lost"))
	annoy()
	for i := range 8 {
		got, err := a.RecvBytes(ctx, 0)
		require.NoError(t, err)
		require.True(t, strings.Repeat(fmt.Sprint(i), 50_000) == string(got))
	}
	require.NoError(t, a.Recv(ctx, &text))
	require.Equal(t, "not lost", text)
	require.Zero(t, code(t, p))
}
