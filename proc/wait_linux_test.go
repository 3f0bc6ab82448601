package proc_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
)

// osPipe is a pipe of the kernel.
func osPipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// isReady is what Wait returns of args, in the order given.
func isReady(t *testing.T, ctx context.Context, args ...proc.Waitable) []proc.Waitable {
	t.Helper()
	got, err := proc.Wait(ctx, args...)
	require.NoError(t, err)
	return got
}

func nothingReady(t *testing.T, args ...proc.Waitable) {
	t.Helper()
	got, err := proc.Wait(over(), args...)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, got)
}

// afterSleep waits until a goroutine sleeps in Wait's poller, then calls fn.
func afterSleep(fn func()) {
	go func() {
		buf := make([]byte, 1<<20)
		for !strings.Contains(string(buf[:runtime.Stack(buf, true)]), "proc.(*waiting).park") {
			runtime.Gosched()
		}
		fn()
	}()
}

// C14, C30, C32: time.
func TestWaitTime(t *testing.T) {
	r, _ := osPipe(t)
	c, _ := pipe(t, nil)
	for name, args := range map[string][]proc.Waitable{"C14 nothing": nil, "C30": {r, c}} {
		t.Run(name, func(t *testing.T) {
			const d = 120 * time.Millisecond
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			got, err := proc.Wait(ctx, args...)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Empty(t, got)
			require.GreaterOrEqual(t, time.Since(begin), d)

			ctx, cancel = context.WithTimeout(t.Context(), -time.Second) // C32
			defer cancel()
			got, err = proc.Wait(ctx, args...)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Empty(t, got)
		})
	}
	t.Run("C30 cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		afterSleep(cancel)
		got, err := proc.Wait(ctx, r)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, got)
	})
}

var say = proc.Register("say", func(ctx context.Context, c *proc.Conn) error {
	for i := range 10 {
		if err := c.Send(ctx, i); err != nil {
			return err
		}
	}
	return c.Close()
})

// C28: four processes send ten messages each and end.
func TestWaitReadersC28(t *testing.T) {
	ctx := watchdog(t)
	var open []proc.Waitable
	for range 4 {
		a, b := pipe(t, &proc.PipeOptions{OneWay: true})
		start(t, say, b, nil)
		open = append(open, a)
	}
	n := 0
	for len(open) > 0 {
		var left []proc.Waitable
		ready := map[proc.Waitable]bool{}
		for _, c := range isReady(t, ctx, open...) {
			ready[c] = true
		}
		for _, c := range open {
			var i int
			if ready[c] && c.(*proc.Conn).Recv(ctx, &i) != nil {
				continue
			} else if ready[c] {
				n++
			}
			left = append(left, c)
		}
		open = left
	}
	require.Equal(t, 40, n)
}

// C29: sockets, and listeners.
func TestWaitSocketC29(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			ctx := watchdog(t)
			addr := "127.0.0.1:0"
			if network == "unix" {
				addr = filepath.Join(t.TempDir(), "s")
			}
			l, err := net.Listen(network, addr)
			require.NoError(t, err)
			defer l.Close()
			nothingReady(t, l)
			done := make(chan net.Conn, 1)
			afterSleep(func() {
				c, _ := net.Dial(network, l.Addr().String())
				done <- c
			})
			require.Equal(t, []proc.Waitable{l}, isReady(t, ctx, l))
			a, err := l.Accept()
			require.NoError(t, err)
			defer a.Close()
			b := <-done
			defer b.Close()
			nothingReady(t, a, l, b)
			afterSleep(func() { b.Write([]byte("x")) })
			require.Equal(t, []proc.Waitable{a}, isReady(t, ctx, l, a, b))
			_, err = a.Read(make([]byte, 8))
			require.NoError(t, err)
			nothingReady(t, a)
			afterSleep(func() { b.Close() })
			require.Equal(t, []proc.Waitable{a}, isReady(t, ctx, a, l), "the end")
		})
	}
}

// C31, P17: processes, connections, files and queues, and exactly those that are ready.
func TestWaitMixC31(t *testing.T) {
	ctx := watchdog(t)
	p, release := held(t, nil)
	killed, _ := held(t, nil)
	stopped, _ := held(t, nil)
	a, b := pipe(t, nil)
	r, w := osPipe(t)
	q, err := proc.NewQueue[string](nil)
	require.NoError(t, err)
	defer q.Close()
	s, err := proc.NewSimpleQueue[int]()
	require.NoError(t, err)
	defer s.Close()

	require.NoError(t, syscall.Kill(stopped.PID(), syscall.SIGSTOP))
	all := []proc.Waitable{stopped, p, a, q, killed, r, s, a}
	nothingReady(t, all...)

	afterSleep(func() { b.Send(ctx, 1) })
	require.Equal(t, []proc.Waitable{a, a}, isReady(t, ctx, all...), "given twice")
	require.Equal(t, []proc.Waitable{a, a}, isReady(t, ctx, all...), "it stays ready")
	var n int
	require.NoError(t, a.Recv(ctx, &n))
	nothingReady(t, all...)

	afterSleep(func() { q.Put(ctx, "x") })
	require.Equal(t, []proc.Waitable{q}, isReady(t, ctx, all...))
	require.NoError(t, s.Put(ctx, 1))
	require.Equal(t, []proc.Waitable{q, s}, isReady(t, over(), all...))
	_, err = q.Get(ctx)
	require.NoError(t, err)
	_, err = s.Get(ctx)
	require.NoError(t, err)
	nothingReady(t, all...)

	afterSleep(func() { w.Write([]byte("x")) })
	require.Equal(t, []proc.Waitable{r}, isReady(t, ctx, all...))
	_, err = r.Read(make([]byte, 1))
	require.NoError(t, err)
	nothingReady(t, all...)

	afterSleep(release)
	require.Equal(t, []proc.Waitable{p}, isReady(t, ctx, all...))
	require.False(t, p.Alive(), "P17")
	require.NoError(t, p.Close())
	require.Equal(t, []proc.Waitable{p}, isReady(t, ctx, all...), "closed, and still over")
	all[1] = killed
	afterSleep(func() { killed.Kill() })
	require.Equal(t, []proc.Waitable{killed, killed}, isReady(t, ctx, all...))
	require.Equal(t, []proc.Waitable{killed}, isReady(t, over(), stopped, killed), "stopped is alive")
	require.NoError(t, stopped.Kill())
	require.Equal(t, []proc.Waitable{stopped}, isReady(t, ctx, stopped))
}

// A process that dies makes the pipe to it ready; so does one that closes its end.
func TestWaitPeer(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	p := start(t, parrot, b, nil)
	nothingReady(t, a)
	require.NoError(t, a.SendBytes(ctx, []byte("hello")))
	require.Equal(t, []proc.Waitable{a}, isReady(t, ctx, a))
	got, err := a.RecvBytes(ctx, 0)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
	afterSleep(func() { p.Kill() })
	require.Equal(t, []proc.Waitable{a}, isReady(t, ctx, a))

	x, y := pipe(t, nil)
	afterSleep(func() { y.Close() })
	require.Equal(t, []proc.Waitable{x}, isReady(t, ctx, x))
}

// What is closed does not keep anybody waiting.
func TestWaitClosed(t *testing.T) {
	ctx := watchdog(t)
	a, _ := pipe(t, nil)
	afterSleep(func() { a.Close() })
	require.Equal(t, []proc.Waitable{a}, isReady(t, ctx, a))
	require.Equal(t, []proc.Waitable{a}, isReady(t, ctx, a))

	q, err := proc.NewQueue[int](nil)
	require.NoError(t, err)
	afterSleep(func() { q.Close() })
	require.Equal(t, []proc.Waitable{q}, isReady(t, ctx, q))
	require.Equal(t, []proc.Waitable{q}, isReady(t, over(), q))

	ended, err := proc.NewQueue[int](nil)
	require.NoError(t, err)
	defer ended.Close()
	afterSleep(func() { ended.CloseSend(ctx) })
	require.Equal(t, []proc.Waitable{ended}, isReady(t, ctx, ended))
}

// C33: what cannot be waited for.
func TestWaitInvalidC33(t *testing.T) {
	ctx := watchdog(t)
	r, _ := osPipe(t)
	for name, arg := range map[string]proc.Waitable{
		"nil": nil, "int": 3, "struct": struct{}{}, "nil file": (*os.File)(nil),
		"nil process": (*proc.Process)(nil), "nil conn": (*proc.Conn)(nil),
		"no parent": proc.Parent(), "bad descriptor": os.NewFile(^uintptr(0), "bad"),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := proc.Wait(ctx, r, arg)
			require.ErrorIs(t, err, proc.ErrNotWaitable)
			require.ErrorContains(t, err, "argument 2 (")
			require.Empty(t, got)
		})
	}
	t.Run("nobody's descriptor", func(t *testing.T) {
		f := os.NewFile(19_999, "nobody's")
		_, err := proc.Wait(ctx, r, f)
		require.ErrorIs(t, err, syscall.EBADF)
		f.Close()
	})
	t.Run("closed", func(t *testing.T) {
		x, _ := osPipe(t)
		require.NoError(t, x.Close())
		_, err := proc.Wait(ctx, r, x)
		require.ErrorIs(t, err, proc.ErrClosed)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		_, err = proc.Wait(over(), l)
		require.ErrorIs(t, err, proc.ErrClosed)
	})
	t.Run("closed meanwhile", func(t *testing.T) {
		x, _ := osPipe(t)
		afterSleep(func() { x.Close() })
		_, err := proc.Wait(ctx, r, x)
		require.ErrorIs(t, err, proc.ErrClosed)
		require.ErrorContains(t, err, "argument 2 (*os.File)")
	})
	t.Run("one way", func(t *testing.T) {
		_, tx := pipe(t, &proc.PipeOptions{OneWay: true})
		_, err := proc.Wait(ctx, tx)
		require.ErrorIs(t, err, proc.ErrOneWay)
	})
	t.Run("self", func(t *testing.T) {
		_, err := proc.Wait(ctx, proc.Current())
		require.ErrorIs(t, err, proc.ErrSelf)
	})
}

// A regular file is always ready, and no file changes its mode.
func TestWaitFiles(t *testing.T) {
	ctx := watchdog(t)
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer f.Close()
	r, w := osPipe(t)
	require.Equal(t, []proc.Waitable{f, f}, isReady(t, ctx, f, r, f))
	require.Equal(t, []proc.Waitable{f}, isReady(t, over(), f))
	_, err = w.Write([]byte("x"))
	require.NoError(t, err)
	require.Equal(t, []proc.Waitable{r, f, r}, isReady(t, over(), r, f, r))
	_, err = r.Read(make([]byte, 1))
	require.NoError(t, err)

	afterSleep(func() { w.Write([]byte("x")) })
	require.Equal(t, []proc.Waitable{r, r, r}, isReady(t, ctx, r, r, r))
	require.NoError(t, r.SetReadDeadline(time.Now().Add(time.Minute)), "still in Go's poller")
	_, err = r.Read(make([]byte, 1))
	require.NoError(t, err)
	afterSleep(func() { w.Close() })
	require.Equal(t, []proc.Waitable{r}, isReady(t, ctx, r), "the end")
}

// Thousands at once, each found, with no thread, goroutine or descriptor more.
func TestWaitThousands(t *testing.T) {
	ctx := watchdog(t)
	const n = 2000
	var all []proc.Waitable
	var ends []*os.File
	for range n {
		r, w := osPipe(t)
		all, ends = append(all, r), append(ends, w)
	}
	for range 8 {
		p, _ := held(t, nil)
		all = append(all, p)
	}
	files := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(list)
	}
	p := all[n].(*proc.Process)
	_, err := proc.Wait(over(), all...)
	require.ErrorIs(t, err, context.Canceled)
	before, goroutines := files(), runtime.NumGoroutine()
	meanwhile := 0
	for _, i := range []int{0, 1234, n - 1} {
		afterSleep(func() {
			meanwhile = max(meanwhile, runtime.NumGoroutine())
			ends[i].Write([]byte("x"))
		})
		require.Equal(t, []proc.Waitable{all[i]}, isReady(t, ctx, all...))
		_, err := all[i].(*os.File).Read(make([]byte, 1))
		require.NoError(t, err)
	}
	require.Less(t, meanwhile, goroutines+4)
	require.LessOrEqual(t, files(), before+8, "a bell for each process, which it keeps")
	afterSleep(func() { p.Kill() })
	require.Equal(t, []proc.Waitable{p}, isReady(t, ctx, all...))
	for _, w := range ends {
		w.Write([]byte("x"))
	}
	require.Len(t, isReady(t, over(), all...), n+1)
}

// Several goroutines wait for one end while another one receives from it; all of them
// come to know its end.
func TestWaitConcurrent(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	const n = 2000
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				got, err := proc.Wait(ctx, a)
				if err != nil || len(got) != 1 {
					t.Error(got, err)
					return
				}
				if _, err := a.Poll(over()); err != nil {
					return
				}
			}
		})
	}
	wg.Go(func() {
		for range n {
			if _, err := a.RecvBytes(ctx, 0); err != nil {
				t.Error(err)
			}
		}
	})
	for range n {
		require.NoError(t, b.SendBytes(ctx, []byte("x")))
	}
	require.NoError(t, b.Close())
	wg.Wait()
}

// A Conn that another goroutine receives from keeps nobody busy, and its news is not
// lost when that goroutine has gone.
func TestWaitBesideRecv(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	for range 20 {
		got := make(chan error, 1)
		go func() {
			_, err := a.RecvBytes(ctx, 0)
			got <- err
		}()
		ready := make(chan error, 1)
		go func() {
			_, err := proc.Wait(ctx, a)
			ready <- err
		}()
		require.NoError(t, b.SendBytes(ctx, []byte("for Recv")))
		require.NoError(t, <-got)
		require.NoError(t, b.SendBytes(ctx, []byte("for Wait")))
		require.NoError(t, <-ready)
		_, err := a.RecvBytes(ctx, 0)
		require.NoError(t, err)
	}
}

// bereaved waits for its parent's end; beget starts it and stays until it is killed.
var bereaved = proc.Register("bereaved", func(ctx context.Context, out *file) error {
	parent := proc.Parent()
	got, err := proc.Wait(over(), parent)
	fmt.Fprintln(out, len(got), err)
	got, err = proc.Wait(ctx, parent)
	fmt.Fprintln(out, got[0] == parent, err, parent.Alive())
	return nil
})

var beget = proc.Register("beget", func(ctx context.Context, out *file) error {
	if _, err := bereaved.Start(ctx, out, nil); err != nil {
		return err
	}
	out.Close()
	<-ctx.Done()
	return nil
})

// C31: a child waits for its parent.
func TestWaitParentC31(t *testing.T) {
	out := newOutput(t)
	p := start(t, beget, out.W, nil)
	line := out.lines()
	require.Equal(t, "0 context canceled", line())
	require.NoError(t, p.Kill())
	require.Equal(t, "true <nil> false", line())
}
