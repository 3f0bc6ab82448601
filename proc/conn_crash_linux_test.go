package proc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// witness receives messages of 300 files and says how many it got, all in order, and
// how it ended.
var witness = proc.Register("witness", func(ctx context.Context, c *proc.Conn) error {
	for n := 0; ; n++ {
		var fs []*file
		err := c.Recv(ctx, &fs)
		switch {
		case err == io.EOF:
			fmt.Println(n, "messages, closed")
			return nil
		case errors.Is(err, ringbuf.ErrPeerDied):
			fmt.Println(n, "messages, died")
			return nil
		case err != nil:
			fmt.Println(n, "messages,", err)
			return err
		}
		for _, f := range fs {
			b := make([]byte, 1)
			if _, err := f.ReadAt(b, int64(n)); err != nil || b[0] != byte('a'+n) {
				fmt.Printf("message %d: %q, %v\n", n, b, err)
			}
			f.Close()
		}
	}
})

var _ = testproc.Helper("testifier", func(c *testproc.Child) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := testify(ctx)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
})

// testify starts a witness and sends it two messages.
func testify(ctx context.Context) error {
	a, b, err := proc.Pipe(nil)
	if err != nil {
		return err
	}
	p, err := witness.Start(ctx, b, nil)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join("testdata", "alphabet"))
	if err != nil {
		return err
	}
	for range 2 {
		var fs []*file
		for range 300 {
			g, err := os.Open(f.Name())
			if err != nil {
				return err
			}
			defer g.Close()
			fs = append(fs, &file{File: g})
		}
		if err := a.Send(ctx, fs); err != nil {
			return err
		}
	}
	if err := a.Close(); err != nil {
		return err
	}
	return p.Wait(ctx)
}

// A sender that is killed between reserving a message, sending its descriptors and
// publishing it has sent nothing, and the receiver hears of its death. (X05)
func TestConnCrashWalkX05(t *testing.T) {
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: []string{"conn."}, Hits: 2}, func(t *testing.T, v *testproc.Victim) {
		p := v.Start("testifier")
		line := p.ReadLine()
		p.Wait()
		require.True(t, v.Fired())
		want := v.Hit - 1
		if v.Point == "conn.partly" { // twice a message
			want = 0
		}
		require.Equal(t, fmt.Sprint(want, " messages, died"), line)
	})
}

// A sender that is stopped there goes on where it was.
func TestConnStopWalk(t *testing.T) {
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: []string{"conn."}, Stop: true}, func(t *testing.T, v *testproc.Victim) {
		p := v.Start("testifier")
		require.True(t, p.WaitStopped())
		p.Cont()
		p.Expect("2 messages, closed")
		p.Succeed()
	})
}

// flood sends numbered values with files, and bytes, until it is killed.
var flood = proc.Register("flood", func(ctx context.Context, a floodArg) error {
	for i := 0; ; i++ {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		fmt.Fprint(w, i)
		w.Close()
		err = a.Conn.Send(ctx, floodMessage{i, &file{File: r}})
		if err == nil {
			err = a.Conn.SendBytes(ctx, make([]byte, i%5000))
		}
		r.Close()
		if err != nil {
			return err
		}
	}
})

type floodArg struct{ Conn *proc.Conn }

type floodMessage struct {
	Number int
	File   *file
}

// Whenever a sender is killed, what was received is whole, and in order, and has the
// descriptors that belong to it.
func TestConnKilledSender(t *testing.T) {
	ctx := watchdog(t)
	for kill := range 12 {
		a, b := pipe(t, &proc.PipeOptions{Capacity: 1 << 16})
		p := start(t, flood, floodArg{b}, nil)
		err := error(nil)
		n := 0
		for ; err == nil; n++ {
			if n == 7*kill {
				require.NoError(t, p.Kill())
			}
			var m floodMessage
			if err = a.Recv(ctx, &m); err != nil {
				break
			}
			require.Equal(t, n, m.Number)
			text, rerr := io.ReadAll(m.File)
			require.NoError(t, rerr)
			require.Equal(t, fmt.Sprint(n), string(text))
			require.NoError(t, m.File.Close())
			var raw []byte
			if raw, err = a.RecvBytes(ctx, 0); err == nil {
				require.Len(t, raw, n%5000)
			}
		}
		require.ErrorIs(t, err, ringbuf.ErrPeerDied)
		require.GreaterOrEqual(t, n, 7*kill)
		require.NoError(t, a.Close())
	}
}
