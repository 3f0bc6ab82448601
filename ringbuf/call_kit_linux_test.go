package ringbuf

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// callName is a name that is removed after the test.
func callName(t testing.TB) string { return newName(t) }

// serveHere serves the name in this process until the test ends or stop is called.
func serveHere(t testing.TB, name string, h Handler, o *ServeOptions) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := async(func() ([]byte, error) { return nil, Serve(ctx, name, h, o) })
	stop = func() {
		t.Helper()
		cancel()
		require.ErrorIs(t, get(t, done).err, context.Canceled)
		done = async(func() ([]byte, error) { return nil, ctx.Err() })
	}
	t.Cleanup(stop)
	return stop
}

// dialed is a client of the name, which somebody serves or is about to.
func dialed(t testing.TB, name string, o *DialOptions) *Client {
	t.Helper()
	if o == nil {
		o = new(DialOptions)
	}
	o.Wait = true
	c, err := Dial(bounded(t), name, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// callAnswer is what the servers of these tests reply: the bytes backwards.
func callAnswer(request []byte) []byte {
	b := bytes.Clone(request)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return b
}

func callHandler(ctx context.Context, request []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(request, []byte("stay")):
		<-ctx.Done()
		return nil, ctx.Err()
	case bytes.HasPrefix(request, []byte("fail ")):
		return nil, errors.New(string(request[5:]))
	case bytes.HasPrefix(request, []byte("panic ")):
		panic(string(request[6:]))
	}
	return callAnswer(request), nil
}

func callEcho(_ context.Context, request []byte) ([]byte, error) { return request, nil }

// callSignalled ends with SIGTERM.
func callSignalled() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	return ctx
}

// Serves a name until it is told to end. The second argument says how it answers.
var _ = testproc.Helper("call.server", func(c *testproc.Child) {
	h := callHandler
	switch c.Args[1] {
	case "echo":
		h = callEcho
	case "park": // tells that it has the call, and keeps it
		h = func(ctx context.Context, _ []byte) ([]byte, error) {
			c.WriteLine("has it")
			<-ctx.Done()
			c.WriteLine("cancelled")
			return nil, ctx.Err()
		}
	case "pid":
		h = func(context.Context, []byte) ([]byte, error) {
			return binary.LittleEndian.AppendUint64(nil, uint64(os.Getpid())), nil
		}
	}
	ctx, cancel := context.WithCancel(callSignalled())
	go func() {
		c.Park()
		cancel()
	}()
	if c.Args[1] == "walk" {
		board, err := openCalls(ctx, c.Args[0], true)
		require.NoError(c, err)
		e, err := NewExchange(c.Args[0], nil)
		require.NoError(c, err)
		o := &ServeOptions{Workers: callWalkOptions.Workers, Gone: func(ClientID) {}}
		require.ErrorIs(c, e.Serve(ctx, callWalkResponder(callWalkHandler(board)), o), context.Canceled)
		return
	}
	err := Serve(ctx, c.Args[0], h, callServeOptions)
	require.ErrorIs(c, err, context.Canceled)
})

// callServeOptions are small, so that walks are quick.
var callServeOptions = &ServeOptions{MaxMessage: 1 << 16, Clients: 4, Workers: 2}

// callWalkOptions has workers for most calls of a client, so that some of those that stay
// are given up by the caller before they are taken.
var callWalkOptions = &ServeOptions{MaxMessage: 1 << 16, Clients: 8, Workers: 12}

// startServer serves the name in another process.
func startServer(t testing.TB, name, how string) *testproc.Proc {
	t.Helper()
	return testproc.Start(t, "call.server", testproc.Args(name, how))
}
