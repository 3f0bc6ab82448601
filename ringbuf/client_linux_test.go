package ringbuf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/testproc"
)

var callSizesTested = []int{0, 1, 8, 40, 63, 64, callInline - 1, callInline, callInline + 1, 1000, callPage - 1, callPage, callPage + 1, 1 << 15, 1 << 16}

func TestCall(t *testing.T) {
	name := callName(t)
	startServer(t, name, "answers")
	c := dialed(t, name, nil)
	for range 3 {
		for _, n := range callSizesTested {
			request := cut(n, n)
			reply, err := c.Call(bounded(t), request)
			require.NoError(t, err)
			require.True(t, bytes.Equal(callAnswer(request), reply), "%d bytes", n)
			reply, err = c.CallAppend(bounded(t), []byte("so: "), request)
			require.NoError(t, err)
			require.True(t, bytes.Equal(append([]byte("so: "), callAnswer(request)...), reply))
		}
	}
	require.Contains(t, c.String(), "0 calls under way")
	require.Contains(t, c.String(), fmt.Sprint(os.Getpid()))
}

func TestCallErrors(t *testing.T) {
	name := callName(t)
	startServer(t, name, "answers")
	c := dialed(t, name, nil)
	var failed *CallError
	_, err := c.Call(bounded(t), []byte("fail because"))
	require.ErrorAs(t, err, &failed)
	require.Equal(t, &CallError{Text: "because"}, failed)
	require.EqualError(t, err, "because")
	_, err = c.Call(bounded(t), []byte("panic at once"))
	require.ErrorAs(t, err, &failed)
	require.Equal(t, &CallError{Text: "at once", Panicked: true}, failed)
	require.EqualError(t, err, "panic: at once")
	_, err = c.Call(bounded(t), []byte("fail "+strings.Repeat("x", 10000)))
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed.Text, maxErrorText)
	_, err = c.Call(bounded(t), make([]byte, 1<<16+1))
	require.ErrorIs(t, err, ErrTooLarge)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Call(ended, nil)
	require.ErrorIs(t, err, context.Canceled)
	reply, err := c.Call(bounded(t), []byte("abc"))
	require.NoError(t, err)
	require.Equal(t, "cba", string(reply))

	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	_, err = c.Call(bounded(t), nil)
	require.ErrorIs(t, err, ErrClosed)
	require.Contains(t, c.String(), "closed")
}

// More goroutines than slots call, and a part of them gives up.
func TestManyCalls(t *testing.T) {
	name := callName(t)
	var running, most atomic.Int32
	serveHere(t, name, func(ctx context.Context, b []byte) ([]byte, error) {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		if len(b) > 0 && b[0]%8 == 0 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return callAnswer(b), nil
	}, &ServeOptions{Workers: 8, MaxMessage: 1 << 14})
	c := dialed(t, name, nil)
	var wg sync.WaitGroup
	var answers, ended atomic.Int64
	errs := make(chan error, 64)
	for g := range 40 {
		wg.Go(func() {
			src := rand.New(rand.NewPCG(uint64(g), 7))
			for range 100 {
				request := cut(int(src.Uint32()>>8), src.IntN(300))
				ctx, cancel := bounded(t), context.CancelFunc(func() {})
				stays := len(request) > 0 && request[0]%8 == 0
				if stays {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(src.IntN(2000))*time.Microsecond)
				}
				reply, err := c.Call(ctx, request)
				cancel()
				switch {
				case err == nil && bytes.Equal(reply, callAnswer(request)):
					answers.Add(1)
				case stays && errors.Is(err, context.DeadlineExceeded):
					ended.Add(1)
				default:
					errs <- fmt.Errorf("%v: %q", err, reply)
					return
				}
			}
		})
	}
	testproc.Within(t, wg.Wait)
	close(errs)
	require.NoError(t, <-errs)
	require.Positive(t, ended.Load())
	require.EqualValues(t, 4000, answers.Load()+ended.Load())
	require.LessOrEqual(t, most.Load(), int32(8))
	until(t, func() bool { return running.Load() == 0 })
	until(t, func() bool { c.reclaim(); return c.own.free.Load() == 1<<callSlots-1 })
}

// Clients come and go, and one too many.
func TestClients(t *testing.T) {
	name := callName(t)
	serveHere(t, name, callHandler, &ServeOptions{Clients: 2})
	a := dialed(t, name, nil)
	b := dialed(t, name, nil)
	_, err := Dial(t.Context(), name, nil)
	require.ErrorIs(t, err, ErrTooManyProcesses)
	require.NoError(t, a.Close())
	a = dialed(t, name, nil)
	for _, c := range []*Client{a, b} {
		reply, err := c.Call(bounded(t), []byte("ab"))
		require.NoError(t, err)
		require.Equal(t, "ba", string(reply))
	}
}

func TestCallNames(t *testing.T) {
	name := callName(t)
	_, err := Dial(t.Context(), name, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Dial(t.Context(), "a/b", nil)
	require.ErrorIs(t, err, ErrName)
	require.ErrorIs(t, Serve(t.Context(), "", callHandler, nil), ErrName)
	require.ErrorIs(t, Serve(t.Context(), name, nil, nil), ErrOption)
	for _, o := range []ServeOptions{{MaxMessage: -1}, {Clients: 4097}, {Clients: -1}, {MaxMessage: 1 << 50}, {MaxMessage: 1 << 34, Clients: 256}} {
		require.ErrorIs(t, Serve(t.Context(), name, callHandler, &o), ErrSize)
	}
	require.ErrorIs(t, Serve(t.Context(), name, callHandler, &ServeOptions{Workers: 17}), ErrOption)
	_, err = Dial(t.Context(), name, &DialOptions{OnPeerDeath: 9})
	require.ErrorIs(t, err, ErrOption)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Dial(ctx, name, &DialOptions{Wait: true})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, Serve(ctx, name, callHandler, nil), context.Canceled)

	r := namedRing(t, name, nil)
	_, err = Dial(t.Context(), name, nil)
	require.ErrorIs(t, err, ErrKind)
	require.ErrorIs(t, Serve(t.Context(), name, callHandler, nil), ErrKind)
	require.NoError(t, r.Unlink())

	// The name stays when nobody serves; the next server has the same clients.
	stop := serveHere(t, name, callHandler, &ServeOptions{MaxMessage: 500, Clients: 3})
	c := dialed(t, name, nil)
	_, err = c.Call(bounded(t), nil)
	require.NoError(t, err)
	stop()
	_, err = c.Call(bounded(t), nil)
	require.ErrorIs(t, err, ErrNoServer)
	require.NotErrorIs(t, err, ErrPeerDied)
	require.ErrorIs(t, Serve(t.Context(), name, callHandler, &ServeOptions{MaxMessage: 501}), ErrSize)
	require.ErrorIs(t, Serve(t.Context(), name, callHandler, &ServeOptions{Clients: 2}), ErrSize)
	stop = serveHere(t, name, callHandler, &ServeOptions{MaxMessage: 500})
	until(t, func() bool { _, err = c.Call(bounded(t), nil); return err == nil })

	// Who has it open goes on when it is removed, as long as somebody serves.
	require.NoError(t, Unlink(name))
	_, err = c.Call(bounded(t), nil)
	require.NoError(t, err)
	stop()
	_, err = c.Call(bounded(t), nil)
	require.ErrorIs(t, err, ErrClosed)
}

// Nobody serves yet: a call waits, and so does Dial.
func TestCallBeforeServe(t *testing.T) {
	name := callName(t)
	f, err := createCalls(name, 100, 1, OwnerNone) // what a server does first
	require.NoError(t, err)
	require.NoError(t, f.close())
	c := dialed(t, name, nil)
	done := async(func() ([]byte, error) { return c.Call(bounded(t), []byte("ab")) })
	until(t, func() bool { return c.seat.slots[0].asleep.Load() == 1 })
	serveHere(t, name, callHandler, nil)
	got := get(t, done)
	require.NoError(t, got.err)
	require.Equal(t, "ba", string(got.b))
}

// OnPeerDeath Wait: a call that nobody serves waits for the next server.
func TestCallWaitsForServer(t *testing.T) {
	name := callName(t)
	stop := serveHere(t, name, callHandler, nil)
	c := dialed(t, name, &DialOptions{OnPeerDeath: Wait})
	_, err := c.Call(bounded(t), nil)
	require.NoError(t, err)
	stop()
	done := async(func() ([]byte, error) { return c.Call(bounded(t), []byte("ab")) })
	until(t, func() bool { return c.seat.slots[0].asleep.Load() == 1 })
	serveHere(t, name, callHandler, nil)
	require.Equal(t, "ba", string(get(t, done).b))
}

// Close ends calls that wait for a server, for an answer, and for a slot.
func TestCloseEndsCalls(t *testing.T) {
	name := callName(t)
	ended := make(chan struct{}, 100)
	serveHere(t, name, func(ctx context.Context, _ []byte) ([]byte, error) {
		<-ctx.Done()
		ended <- struct{}{}
		return nil, ctx.Err()
	}, &ServeOptions{Workers: 3})
	c := dialed(t, name, nil)
	var calls []<-chan result
	for range callSlots + 4 {
		calls = append(calls, async(func() ([]byte, error) { return c.Call(bounded(t), nil) }))
	}
	until(t, func() bool { return c.own.queued.Load() == 4 })
	testproc.Within(t, func() { c.Close() })
	for _, done := range calls {
		require.ErrorIs(t, get(t, done).err, ErrClosed)
	}
	testproc.Within(t, func() {
		for range 3 {
			<-ended
		}
	})
}

// A file's memory, in bytes.
func callMemory(t testing.TB, f *os.File) int64 {
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(int(f.Fd()), &st))
	return st.Blocks * 512
}

// What a large call needs is given back when it is over, and what a client keeps when it goes.
func TestLargeCalls(t *testing.T) {
	const size = 64 << 20
	name := callName(t)
	stop := serveHere(t, name, callEcho, &ServeOptions{MaxMessage: size, Clients: 8, Workers: 2})
	c := dialed(t, name, nil)
	empty := callMemory(t, c.file.file)
	request := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	reply, err := c.CallAppend(bounded(t), make([]byte, 0, size), request)
	require.NoError(t, err)
	require.True(t, bytes.Equal(request, reply))
	require.LessOrEqual(t, callMemory(t, c.file.file), empty+2*callPage)

	// A call that is given up: its memory goes when the slot is used again.
	other := dialed(t, name, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := async(func() ([]byte, error) { return other.Call(ctx, request) })
	until(t, func() bool { return callState(other.seat.slots[0].state.Load()).phase() != callIdle })
	cancel()
	get(t, done)
	until(t, func() bool {
		other.reclaim()
		return other.own.free.Load() == 1<<callSlots-1
	})
	require.LessOrEqual(t, callMemory(t, c.file.file), empty+4*callPage)
	require.NoError(t, other.Close())
	require.LessOrEqual(t, callMemory(t, c.file.file), empty+2*callPage)
	require.NoError(t, c.Close())
	stop()
	f, err := openCalls(t.Context(), name, false)
	require.NoError(t, err)
	require.LessOrEqual(t, callMemory(t, f.file), empty)
	require.NoError(t, f.close())
}

// S5: a call allocates nothing, on either side, unless one has to sleep. Both sides
// are in this process.
func TestCallNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	if runtime.NumCPU() == 1 {
		t.Skip("on one processor one has to sleep for the other")
	}
	name := callName(t)
	serveHere(t, name, callEcho, nil)
	c := dialed(t, name, nil)
	buf := make([]byte, 0, 8192)
	const batch = 2000
	for _, n := range []int{0, 64, 4000} {
		request := make([]byte, n)
		until(t, func() bool { // on a busy machine they sleep now and then
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range batch {
				_, err := c.CallAppend(context.Background(), buf, request)
				require.NoError(t, err)
			}
			runtime.ReadMemStats(&after)
			return after.Mallocs-before.Mallocs < batch/4
		})
	}
}

// S5: a call makes no system call, on either side, unless one has to sleep. The peer is
// another thread of the traced process. Where others use the processors they do sleep, so
// batches are made until one of them was quiet.
func TestCallNoSystemCalls(t *testing.T) {
	if race.Enabled { // its runtime sleeps and wakes by itself: only that the calls are made
		child := testproc.Start(t, "call.cost", testproc.Args(callName(t)))
		child.Expect(costBegin)
		child.WriteLine(costBegin)
		child.Expect(costEnd)
		return
	}
	strace := testproc.NeedTool(t, "strace")
	self, err := os.Executable()
	require.NoError(t, err)
	log := filepath.Join(t.TempDir(), "log")
	child := testproc.Start(t, "call.cost", testproc.Binary(strace),
		testproc.Args("-f", "-qq", "-o", log, self, callName(t)))
	if line, ok := child.NextLine(); !ok {
		testproc.Need(t, "permission to trace: "+child.Stderr(), false)
	} else {
		require.Equal(t, costBegin, line)
	}
	most := callBatch / 10
	if runtime.NumCPU() == 1 {
		most = 5 * callBatch // one has to sleep for the other: a wait and a wake each, in up to two lines
	}
	var seen []int // lines of system calls in each batch
	for quiet := false; !quiet; {
		require.Less(t, len(seen), callBatches, "no batch was quiet: %v", seen[max(0, len(seen)-20):])
		child.WriteLine(costBegin)
		child.Expect(costEnd)
		b, err := os.ReadFile(log)
		require.NoError(t, err)
		during := string(b[bytes.LastIndex(b, []byte(costBegin)):])
		calls := strings.Count(during, "futex") + strings.Count(during, "fallocate")
		seen = append(seen, calls)
		quiet = calls < most
	}
	child.CloseStdin()
	child.Succeed()
}

const callBatch, callBatches = 500, 1000

var _ = testproc.Helper("call.cost", func(c *testproc.Child) {
	ctx := context.Background()
	go func() { _ = Serve(ctx, c.Args[0], callEcho, nil) }()
	client, err := Dial(ctx, c.Args[0], &DialOptions{Wait: true})
	require.NoError(c, err)
	request, buf := make([]byte, 2000), make([]byte, 0, 4000)
	c.WriteLine(costBegin)
	for {
		c.ReadLine() // ends the process when the test has seen enough
		for range callBatch {
			_, err := client.CallAppend(ctx, buf, request)
			require.NoError(c, err)
		}
		c.WriteLine(costEnd)
	}
})
