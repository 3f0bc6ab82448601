package ringbuf

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
)

// X05: a server that is killed in a call: the caller hears of it; the next server takes the
// calls that nobody had taken.
func TestServerDies(t *testing.T) {
	name := callName(t)
	p := startServer(t, name, "park")
	c := dialed(t, name, nil)
	var calls []<-chan result
	for range 4 { // two are taken
		calls = append(calls, async(func() ([]byte, error) { return c.Call(bounded(t), []byte("ab")) }))
	}
	p.Expect("has it")
	p.Expect("has it")
	until(t, func() bool {
		asked := 0
		for k := range 4 {
			if callState(c.seat.slots[k].state.Load()).phase() == callAsked {
				asked++
			}
		}
		return asked == 2
	})
	p.Kill()
	died, unserved := 0, 0
	for _, done := range calls {
		err := get(t, done).err
		require.ErrorIs(t, err, ErrPeerDied)
		if errors.Is(err, ErrNoServer) {
			unserved++
		} else {
			died++
		}
	}
	require.Equal(t, []int{2, 2}, []int{died, unserved})
	_, err := c.Call(bounded(t), nil)
	require.ErrorIs(t, err, errServerDied)

	startServer(t, name, "answers")
	until(t, func() bool { _, err = c.Call(bounded(t), nil); return err == nil })
	reply, err := c.Call(bounded(t), []byte("ab"))
	require.NoError(t, err)
	require.Equal(t, "ba", string(reply))
	require.Equal(t, 1, c.serverCount(), "the next one has the dead one's seat")
}

// Two servers share the calls; one is killed, the other one goes on, also with those that
// the dead one had not taken.
func TestTwoServers(t *testing.T) {
	name := callName(t)
	servers := map[uint64]*testproc.Proc{}
	for range 2 {
		p := startServer(t, name, "pid")
		servers[uint64(p.PID)] = p
	}
	c := dialed(t, name, nil)
	seen := map[uint64]bool{}
	call := func() error {
		b, err := c.Call(bounded(t), nil)
		if err == nil {
			seen[binary.LittleEndian.Uint64(b)] = true
		}
		return err
	}
	until(t, func() bool { require.NoError(t, call()); return c.look().present && c.serverCount() == 2 })
	for pid, p := range servers {
		p.Stop() // the other one serves
		for range 200 {
			var got [4]<-chan result
			for i := range got {
				got[i] = async(func() ([]byte, error) { return c.Call(bounded(t), nil) })
			}
			p.Cont()
			for i := range got {
				r := get(t, got[i])
				require.NoError(t, r.err)
				seen[binary.LittleEndian.Uint64(r.b)] = true
			}
			if seen[pid] {
				break
			}
			runtime.Gosched()
		}
		p.Kill()
		p.Wait()
		clear(seen)
		for range 100 {
			require.NoError(t, call())
		}
		require.NotContains(t, seen, pid)
		break
	}
}

// A stopped server keeps the call that it has, and nobody else waits for it.
func TestStoppedServer(t *testing.T) {
	name := callName(t)
	p := startServer(t, name, "park")
	c := dialed(t, name, nil)
	ctx, cancel := context.WithCancel(t.Context())
	stuck := async(func() ([]byte, error) { return c.Call(ctx, nil) })
	p.Expect("has it")
	require.True(t, p.Stop())
	startServer(t, name, "answers")
	until(t, func() bool { return c.serverCount() == 2 })
	for range 100 {
		reply, err := c.Call(bounded(t), []byte("ab"))
		require.NoError(t, err)
		require.Equal(t, "ba", string(reply))
	}
	cancel()
	require.ErrorIs(t, get(t, stuck).err, context.Canceled)
	require.EqualValues(t, 1, c.own.withheld.Load(), "its slot is left alone")
	p.Cont()
	p.Expect("cancelled")
	until(t, func() bool { c.reclaim(); return c.own.withheld.Load() == 0 })
}

// A caller's end reaches the handler: by its context, its Close, and its death.
func TestHandlerIsCancelled(t *testing.T) {
	name := callName(t)
	p := startServer(t, name, "park")
	c := dialed(t, name, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := async(func() ([]byte, error) { return c.Call(ctx, nil) })
	p.Expect("has it")
	cancel()
	require.ErrorIs(t, get(t, done).err, context.Canceled)
	p.Expect("cancelled")

	done = async(func() ([]byte, error) { return c.Call(t.Context(), nil) })
	p.Expect("has it")
	require.NoError(t, c.Close())
	require.ErrorIs(t, get(t, done).err, ErrClosed)
	p.Expect("cancelled")

	caller := testproc.Start(t, "call.caller", testproc.Args(name))
	p.Expect("has it")
	caller.Kill()
	p.Expect("cancelled")
	f, err := openCalls(t.Context(), name, false)
	require.NoError(t, err)
	defer f.close()
	until(t, func() bool {
		for i := range f.clients {
			if robust.StateOf(f.clients[i].Word.Load()) != robust.Vacant || !f.idle(&f.clients[i]) {
				return false
			}
		}
		return true
	})
}

// Calls once and parks.
var _ = testproc.Helper("call.caller", func(c *testproc.Child) {
	client, err := Dial(context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	_, err = client.Call(context.Background(), []byte("ab"))
	require.NoError(c, err)
	c.Park()
})

// What Serve does when its context ends: no new calls, the handlers end, their callers get
// the answers.
func TestServeEnds(t *testing.T) {
	name := callName(t)
	p := startServer(t, name, "park")
	c := dialed(t, name, nil)
	done := async(func() ([]byte, error) { return c.Call(bounded(t), nil) })
	p.Expect("has it")
	require.NoError(t, syscall.Kill(p.PID, syscall.SIGTERM))
	p.Expect("cancelled")
	var failed *CallError
	require.ErrorAs(t, get(t, done).err, &failed)
	require.Equal(t, "context canceled", failed.Text)
	p.Succeed()
	_, err := c.Call(bounded(t), nil)
	require.ErrorIs(t, err, ErrNoServer)
}

// A handler's context is its call's alone.
func TestHandlerContext(t *testing.T) {
	name := callName(t)
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	var mu sync.Mutex
	var kept []context.Context
	served := async(func() ([]byte, error) {
		return nil, Serve(ctx, name, func(ctx context.Context, b []byte) ([]byte, error) {
			if ctx.Err() != nil || ctx.Value(key{}) != "value" {
				return nil, errors.New("not a fresh context")
			}
			if string(b) == "keep" {
				ctx.Done()
				mu.Lock()
				kept = append(kept, ctx)
				mu.Unlock()
			}
			_, ok := ctx.Deadline()
			return b, map[bool]error{true: errors.New("deadline")}[ok]
		}, nil)
	})
	c := dialed(t, name, nil)
	for i := range 20 {
		_, err := c.Call(bounded(t), []byte([]string{"keep", "no"}[i%2]))
		require.NoError(t, err)
	}
	for _, ctx := range kept {
		testproc.Within(t, func() { <-ctx.Done() })
		require.ErrorIs(t, ctx.Err(), context.Canceled)
	}
	cancel()
	require.ErrorIs(t, get(t, served).err, context.Canceled)
}

// A panic ends the call, not the server, and is logged with its stack; so is Goexit survived.
func TestHandlerPanics(t *testing.T) {
	name := callName(t)
	var mu sync.Mutex
	var log bytes.Buffer
	serveHere(t, name, func(ctx context.Context, b []byte) ([]byte, error) {
		if string(b) == "exit" {
			runtime.Goexit()
		}
		return callHandler(ctx, b)
	}, &ServeOptions{Workers: 1, ErrorLog: slog.New(slog.NewTextHandler(callWriter{&mu, &log}, nil))})
	c := dialed(t, name, nil)
	var failed *CallError
	for range 3 {
		_, err := c.Call(bounded(t), []byte("panic now"))
		require.ErrorAs(t, err, &failed)
		require.True(t, failed.Panicked)
		_, err = c.Call(bounded(t), []byte("exit"))
		require.ErrorAs(t, err, &failed)
		require.Contains(t, failed.Text, "Goexit")
		reply, err := c.Call(bounded(t), []byte("ab"))
		require.NoError(t, err)
		require.Equal(t, "ba", string(reply))
	}
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, 3, strings.Count(log.String(), "panic=now"))
	require.Contains(t, log.String(), "callHandler")
}

type callWriter struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (w callWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}

// A reply that does not fit is the caller's error, and no more.
func TestReplyTooLarge(t *testing.T) {
	name := callName(t)
	serveHere(t, name, func(_ context.Context, b []byte) ([]byte, error) {
		return make([]byte, 100*len(b)), nil
	}, &ServeOptions{MaxMessage: 1000})
	c := dialed(t, name, nil)
	_, err := c.Call(bounded(t), make([]byte, 11))
	require.ErrorIs(t, err, ErrTooLarge)
	reply, err := c.Call(bounded(t), make([]byte, 10))
	require.NoError(t, err)
	require.Len(t, reply, 1000)
}

// Somebody truncates the file: calls and Serve end, and nobody faults.
func TestCallTruncated(t *testing.T) {
	faultsAreSeen(t)
	name := callName(t)
	served := async(func() ([]byte, error) { return nil, Serve(t.Context(), name, callEcho, nil) })
	c, err := Dial(bounded(t), name, &DialOptions{Wait: true})
	require.NoError(t, err)
	_, err = c.Call(bounded(t), nil)
	require.NoError(t, err)
	require.NoError(t, os.Truncate("/dev/shm/"+name, 0))
	_, err = c.Call(bounded(t), nil)
	require.ErrorIs(t, err, ErrTruncated)
	require.ErrorIs(t, get(t, served).err, ErrTruncated)
	testproc.Within(t, func() { c.Close() })
}

// However the deadline meets the server's sleeps, Serve returns the context's error
// and nothing else.
func TestServeReturnsTheDeadline(t *testing.T) {
	name := newName(t)
	for i := range 30 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%10+1)*time.Millisecond)
		err := Serve(ctx, name, func(context.Context, []byte) ([]byte, error) { return nil, nil }, nil)
		cancel()
		require.Equal(t, context.DeadlineExceeded, err)
	}
}
