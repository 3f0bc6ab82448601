package proc_test

import (
	"context"
	"encoding/binary"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// What no Conn writes is an error of every call, and none of them takes it for a
// message.
func TestHostileFrames(t *testing.T) {
	ctx := watchdog(t)
	word := func(v uint64, rest ...byte) []byte { return append(binary.LittleEndian.AppendUint64(nil, v), rest...) }
	for name, b := range map[string][]byte{
		"nothing":             {},
		"half a header":       {1, 0, 0, 0},
		"no kind":             word(0),
		"no zeros":            word(1 | 1<<8),
		"unknown kind":        word(4),
		"list past the end":   word(2|2<<32, 1),
		"endless list":        word(2|0xffffffff<<32, 1),
		"file without a list": word(3, 'n'),
	} {
		t.Run(name, func(t *testing.T) {
			a, b2 := pipe(t, nil)
			require.NoError(t, proc.SendFrame(a, b))
			for range 2 {
				require.ErrorIs(t, b2.Recv(ctx, new(any)), ringbuf.ErrCorrupt)
				_, err := b2.RecvBytes(ctx, 0)
				require.ErrorIs(t, err, ringbuf.ErrCorrupt)
				_, err = b2.RecvFile(ctx)
				require.ErrorIs(t, err, ringbuf.ErrCorrupt)
				_, err = b2.Poll(ctx)
				require.ErrorIs(t, err, ringbuf.ErrCorrupt)
			}
		})
	}
	a, b := pipe(t, nil)
	require.NoError(t, proc.SendFrame(a, word(2|1<<32, 0xf6, 0xff)))
	require.ErrorIs(t, b.Recv(ctx, new(any)), ringbuf.ErrCorrupt, "a list that is none")
	require.NoError(t, a.Send(ctx, 1))
	require.NoError(t, b.Recv(ctx, new(int)))
}

var flip = proc.Register("flip", func(_ context.Context, c *proc.Conn) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	return proc.SendFlipping(c, null)
})

// Messages that change while they are received, with descriptors that do not fit them, are
// messages or errors; nothing else comes of them, and no descriptor is left.
func TestHostileSender(t *testing.T) {
	ctx := watchdog(t)
	for range 3 {
		a, b := pipe(t, &proc.PipeOptions{Capacity: 1 << 16})
		p := start(t, flip, b, nil)
		got := 0
		for i := 0; i < 20_000; i++ {
			var err error
			switch i % 5 {
			case 0:
				err = a.Recv(ctx, new(any))
			case 1:
				_, err = a.RecvBytes(ctx, 0)
			case 2:
				_, err = a.RecvInto(ctx, make([]byte, 64))
			case 3:
				var f *os.File
				if f, err = a.RecvFile(ctx); err == nil {
					f.Close()
				}
			case 4:
				var got []any
				err = a.Recv(ctx, &got)
			}
			require.NotErrorIs(t, err, io.EOF)
			require.NotErrorIs(t, err, proc.ErrClosed)
			require.NoError(t, ctx.Err())
			if err == nil {
				got++
			}
		}
		require.NotZero(t, got)
		require.NoError(t, a.Close())
		require.Zero(t, code(t, p))
	}
}

// A value that refers to handles which did not come with it gets none.
func TestForgedReferences(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	for _, forged := range []any{[]byte{0}, []byte{}, []byte("\xa3bTx\x41\x00bRx\xf6dSock\x41\x00")} {
		require.NoError(t, a.Send(ctx, forged))
		require.ErrorIs(t, b.Recv(ctx, new(file)), handle.ErrReference)
		require.NoError(t, a.Send(ctx, forged))
		require.ErrorIs(t, b.Recv(ctx, new(proc.Conn)), handle.ErrReference)
	}
	// Another object than a pipe's.
	require.NoError(t, a.Send(ctx, &file{File: mustOpen(t, os.DevNull)}))
	require.Error(t, b.Recv(ctx, new(proc.Conn)))
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 'x'})
	f.Add([]byte{3, 0, 0, 0, 1, 0, 0, 0, 'n', 0xa0})
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, body, list, err := proc.ParseFrame(b)
		if err == nil && (8+body+list != len(b) || kind < 1 || kind > 3) {
			t.Fatalf("kind %d, %d and %d of %d bytes", kind, body, list, len(b))
		}
		if files, err := proc.ParseList(b); err == nil && (files < 0 || files > len(b)+1) {
			t.Fatalf("%d files", files)
		}
	})
}
