package proc_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/proc"
)

// order is a small struct with strings.
type order struct {
	ID    int
	Name  string
	Price float64
	Tags  []string
}

var anOrder = order{7, "a small struct", 1.25, []string{"with", "strings"}}

// orders sends back the orders that it receives.
var orders = proc.Register("orders", func(ctx context.Context, c *proc.Conn) error {
	for {
		var o order
		if err := c.Recv(ctx, &o); err != nil {
			return nil
		}
		if err := c.Send(ctx, o); err != nil {
			return err
		}
	}
})

// BenchmarkPipe measures round trips to another process, through a Pipe and through a
// Unix socket.
func BenchmarkPipe(b *testing.B) {
	ctx := context.Background()
	b.Run("bytes64", func(b *testing.B) {
		c, _ := parroted(b, nil)
		buf := make([]byte, 64)
		b.ReportAllocs()
		for b.Loop() {
			if err := c.SendBytes(ctx, buf); err != nil {
				b.Fatal(err)
			}
			if _, err := c.RecvInto(ctx, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("struct", func(b *testing.B) {
		c, theirs := pipe(b, nil)
		p, err := orders.Start(ctx, theirs, nil)
		require.NoError(b, err)
		b.ReportAllocs()
		for b.Loop() {
			var o order
			if err := c.Send(ctx, anOrder); err != nil {
				b.Fatal(err)
			}
			if err := c.Recv(ctx, &o); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, c.Close())
		require.NoError(b, p.Wait(ctx))
	})
	b.Run("16MiB", func(b *testing.B) {
		c, _ := parroted(b, nil)
		buf := make([]byte, 16<<20)
		b.SetBytes(2 * 16 << 20)
		for b.Loop() {
			if err := c.SendBytes(ctx, buf); err != nil {
				b.Fatal(err)
			}
			if _, err := c.RecvInto(ctx, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("make", func(b *testing.B) {
		for b.Loop() {
			x, y, err := proc.Pipe(nil)
			if err != nil {
				b.Fatal(err)
			}
			x.Close()
			y.Close()
		}
	})
	b.Run("socket64", func(b *testing.B) { socketTrips(b, make([]byte, 64), false) })
	b.Run("socketStruct", func(b *testing.B) { socketTrips(b, nil, true) })
}

// socketEcho sends back the frames that it reads from a Unix socket.
var socketEcho = proc.Register("socketEcho", func(ctx context.Context, a socketArg) error {
	c, err := net.FileConn(a.Socket.File)
	if err != nil {
		return err
	}
	for buf := make([]byte, 1024); ; {
		b, err := readFrame(c, buf)
		if err != nil {
			return nil
		}
		if a.Decode {
			var o order
			if err := codec.Unmarshal(b, &o); err != nil {
				return err
			}
			if b, err = codec.Marshal(o); err != nil {
				return err
			}
		}
		if err := writeFrame(c, b); err != nil {
			return err
		}
	}
})

type socketArg struct {
	Socket *file
	Decode bool
}

func readFrame(r io.Reader, buf []byte) ([]byte, error) {
	if _, err := io.ReadFull(r, buf[:4]); err != nil {
		return nil, err
	}
	b := buf[:binary.LittleEndian.Uint32(buf)]
	_, err := io.ReadFull(r, b)
	return b, err
}

func writeFrame(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.LittleEndian.AppendUint32(make([]byte, 0, 1024), uint32(len(b))), b...))
	return err
}

func socketTrips(b *testing.B, message []byte, decode bool) {
	ctx := context.Background()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(b, err)
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	p, err := socketEcho.Start(ctx, socketArg{&file{File: theirs}, decode}, nil)
	require.NoError(b, err)
	theirs.Close()
	c, err := net.FileConn(ours)
	require.NoError(b, err)
	ours.Close()
	for buf := make([]byte, 1024); b.Loop(); {
		if decode {
			if message, err = codec.Marshal(anOrder); err != nil {
				b.Fatal(err)
			}
		}
		if err := writeFrame(c, message); err != nil {
			b.Fatal(err)
		}
		got, err := readFrame(c, buf)
		if err != nil {
			b.Fatal(err)
		}
		if decode {
			var o order
			if err := codec.Unmarshal(got, &o); err != nil {
				b.Fatal(err)
			}
		}
	}
	c.Close()
	require.NoError(b, p.Wait(ctx))
}
