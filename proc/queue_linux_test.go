package proc_test

import (
	"bytes"
	"context"
	"encoding"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

func newQueue[T any](t testing.TB, o *proc.QueueOptions) *proc.Queue[T] {
	t.Helper()
	q, err := proc.NewQueue[T](o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}

// letter is an item that is encoded.
type letter struct {
	From string
	N    int
	Tags []string
}

// drainLetters gets as many as it is told, and puts how many that were.
var drainLetters = proc.Register("queue.drain", func(ctx context.Context, a queueArg) error {
	for range a.N {
		if _, err := a.Letters.Get(ctx); err != nil {
			return err
		}
	}
	return nil
})

type queueArg struct {
	N       int
	Letters *proc.Queue[letter]
	Numbers *proc.Queue[int64]
}

// Q01, Q02, Q03: a bounded queue says whether it is empty and full, refuses what does not
// fit, and has room again when another process has drained it.
func TestQueuePutQ01Q02Q03(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[letter](t, &proc.QueueOptions{MaxItems: 6})
	require.True(t, q.Empty())
	require.False(t, q.Full())
	for i := range 6 {
		require.NoError(t, q.Put(ctx, letter{"parent", i, []string{"a", "b"}}))
	}
	require.False(t, q.Empty())
	require.True(t, q.Full())

	require.ErrorIs(t, q.TryPut(letter{}), proc.ErrFull)
	over, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, q.Put(over, letter{}), context.Canceled, "at once")
	begun := time.Now()
	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, q.Put(soon, letter{}), context.DeadlineExceeded)
	require.GreaterOrEqual(t, time.Since(begun), 50*time.Millisecond)
	require.Equal(t, 6, q.Len(), "nothing was put")

	p := start(t, drainLetters, queueArg{N: 6, Letters: q}, nil)
	require.NoError(t, p.Wait(ctx))
	require.True(t, q.Empty())
	require.False(t, q.Full())
}

// putLetters puts as many letters as it is told, and then Numbers' N.
var putLetters = proc.Register("queue.put", func(ctx context.Context, a queueArg) error {
	for i := range a.N {
		if err := a.Letters.Put(ctx, letter{proc.Current().Name(), i, nil}); err != nil {
			return err
		}
	}
	return nil
})

// Q04, Q05, Q06: items come in the producer's order through every form of Get; without
// any it says so, at once or not before its time.
func TestQueueGetQ04Q05Q06(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[letter](t, nil)
	_, err := q.TryGet()
	require.ErrorIs(t, err, proc.ErrEmpty)

	p := start(t, putLetters, queueArg{N: 9, Letters: q}, &proc.Options{Name: "writer"})
	require.NoError(t, p.Wait(ctx))
	require.Equal(t, 9, q.Len())
	next := 0
	check := func(l letter, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Equal(t, letter{"writer", next, nil}, l)
		next++
	}
	for range 3 {
		check(q.Get(ctx))
		check(q.TryGet())
	}
	require.NoError(t, q.CloseSend(ctx))
	for l, err := range q.All(ctx) {
		check(l, err)
	}
	require.Equal(t, 9, next)
	_, err = q.Get(ctx)
	require.Equal(t, io.EOF, err)
	_, err = q.TryGet()
	require.Equal(t, io.EOF, err)
	require.ErrorIs(t, q.Put(ctx, letter{}), proc.ErrClosed)

	q = newQueue[letter](t, nil)
	_, err = q.TryGet()
	require.ErrorIs(t, err, proc.ErrEmpty)
	begun := time.Now()
	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = q.Get(soon)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.GreaterOrEqual(t, time.Since(begun), 50*time.Millisecond)
}

// Q07: what was put before the child started, and what the child puts, arrives once.
func TestQueueBeforeStartQ07(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[int64](t, nil)
	for i := range int64(10) {
		require.NoError(t, q.Put(ctx, i))
	}
	p := start(t, putNumbers, queueArg{N: 10, Numbers: q}, nil)
	require.NoError(t, p.Wait(ctx))
	var got []int64
	for range 20 {
		n, err := q.Get(ctx)
		require.NoError(t, err)
		got = append(got, n)
	}
	slices.Sort(got)
	for i, n := range got {
		require.EqualValues(t, i, n)
	}
	_, err := q.TryGet()
	require.ErrorIs(t, err, proc.ErrEmpty)
}

var putNumbers = proc.Register("queue.putNumbers", func(ctx context.Context, a queueArg) error {
	for i := range a.N {
		if err := a.Numbers.Put(ctx, int64(a.N+i)); err != nil {
			return err
		}
	}
	return nil
})

// Q08: the count is exact.
func TestQueueLenQ08(t *testing.T) {
	ctx := watchdog(t)
	t.Run("plain", func(t *testing.T) { countsQ08(ctx, t, newQueue[int64](t, nil)) })
	t.Run("encoded", func(t *testing.T) { countsQ08(ctx, t, newQueue[string](t, nil)) })
	t.Run("no bytes", func(t *testing.T) { countsQ08(ctx, t, newQueue[struct{}](t, nil)) })
	t.Run("bounded", func(t *testing.T) { countsQ08(ctx, t, newQueue[[100]byte](t, &proc.QueueOptions{MaxItems: 2})) })
}

func countsQ08[T any](ctx context.Context, t *testing.T, q *proc.Queue[T]) {
	var v T
	require.Equal(t, 0, q.Len())
	for n := 1; n <= 2; n++ {
		require.NoError(t, q.Put(ctx, v))
		require.Equal(t, n, q.Len())
	}
	for n := 1; n >= 0; n-- {
		_, err := q.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, n, q.Len())
	}
}

// Q11, Q12, X11: an item that cannot be encoded is an error of its Put, which names the
// reason. It takes no room, and the next one arrives.
func TestQueueBadItemsQ11Q12X11(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[any](t, &proc.QueueOptions{MaxItems: 1})
	for range 3 {
		err := q.Put(ctx, func() {})
		require.ErrorIs(t, err, proc.ErrArgument)
		require.ErrorContains(t, err, "func()")
		require.ErrorIs(t, q.TryPut(make(chan int)), proc.ErrArgument)
	}
	require.True(t, q.Empty())
	require.NoError(t, q.TryPut("fine"))
	require.True(t, q.Full())
	require.ErrorIs(t, q.Put(ctx, struct{ F func() }{}), proc.ErrArgument, "also where there is no room")
	v, err := q.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "fine", v)
	require.True(t, q.Empty())

	small := newQueue[string](t, &proc.QueueOptions{MaxMessage: 100})
	require.ErrorIs(t, small.Put(ctx, strings.Repeat("x", 100)), ringbuf.ErrTooLarge)
	require.NoError(t, small.Put(ctx, "short"))
	s, err := small.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "short", s)
}

// An item that cannot be decoded is one error; All goes on behind it.
func TestQueueUndecodable(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[picky](t, nil)
	for _, v := range []picky{"one", "three", "two"} {
		require.NoError(t, q.Put(ctx, v))
	}
	require.NoError(t, q.CloseSend(ctx))
	var got []string
	for v, err := range q.All(ctx) {
		if err != nil {
			require.ErrorIs(t, err, proc.ErrItem)
			require.ErrorContains(t, err, "too long")
		}
		got = append(got, string(v))
	}
	require.Equal(t, []string{"one", "", "two"}, got)
}

// Q13, Q14: after Close every call says so, whether or not the queue was ever used, and
// the numbers are zero. In other processes it lives on.
func TestQueueClosedQ13Q14Q17(t *testing.T) {
	ctx := watchdog(t)
	for name, use := range map[string]bool{"unused": false, "used": true} {
		t.Run(name, func(t *testing.T) {
			q := newQueue[letter](t, &proc.QueueOptions{MaxItems: 1})
			if use {
				require.NoError(t, q.Put(ctx, letter{N: 1}))
			}
			require.NoError(t, q.Close())
			require.NoError(t, q.Close())
			require.True(t, q.Empty())
			require.False(t, q.Full())
			require.Zero(t, q.Len())
			require.ErrorIs(t, q.Put(ctx, letter{}), proc.ErrClosed)
			require.ErrorIs(t, q.TryPut(letter{}), proc.ErrClosed)
			_, err := q.Get(ctx)
			require.ErrorIs(t, err, proc.ErrClosed)
			_, err = q.TryGet()
			require.ErrorIs(t, err, proc.ErrClosed)
			require.ErrorIs(t, q.CloseSend(ctx), proc.ErrClosed)
			for _, err := range q.All(ctx) {
				require.ErrorIs(t, err, proc.ErrClosed)
			}
			_, err = drainLetters.Start(ctx, queueArg{Letters: q}, nil)
			require.ErrorIs(t, err, proc.ErrClosed, "it cannot be given away any more")
		})
	}
	t.Run("while others wait", func(t *testing.T) {
		q := newQueue[letter](t, nil)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := q.Get(ctx); !errors.Is(err, proc.ErrClosed) {
					t.Errorf("Get returned %v", err)
				}
			})
		}
		time.Sleep(10 * time.Millisecond) // sleep: so that they wait, most of the time
		require.NoError(t, q.Close())
		wg.Wait()
	})
	t.Run("elsewhere it lives on", func(t *testing.T) {
		q, back := newQueue[letter](t, nil), newQueue[int64](t, nil)
		require.NoError(t, q.Put(ctx, letter{N: 1}))
		p := start(t, relayLetters, queueArg{Letters: q, Numbers: back}, nil)
		require.NoError(t, q.Close())
		n, err := back.Get(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 3, n, "1 of ours and 2 of its own")
		require.NoError(t, p.Wait(ctx))
	})
}

// relayLetters puts a letter of its own, and puts the sum of all into Numbers.
var relayLetters = proc.Register("queue.relayLetters", func(ctx context.Context, a queueArg) error {
	if err := a.Letters.Put(ctx, letter{N: 2}); err != nil {
		return err
	}
	sum := 0
	for range 2 {
		l, err := a.Letters.Get(ctx)
		if err != nil {
			return err
		}
		sum += l.N
	}
	return a.Numbers.Put(ctx, int64(sum))
})

// The tutorial's queue: two processes put, three get, and one Get more than there are
// items waits, also when everybody who put has ended, until the parent puts again.
func TestQueueWaitsForMore(t *testing.T) {
	ctx := watchdog(t)
	q, got := newQueue[string](t, nil), newQueue[string](t, nil)
	var getters []*proc.Process
	for i := range 3 {
		getters = append(getters, start(t, forwardOne, []*proc.Queue[string]{q, got}, &proc.Options{Name: fmt.Sprint("getter", i)}))
	}
	for range 2 {
		require.NoError(t, start(t, putHello, q, nil).Wait(ctx))
	}
	for range 2 {
		s, err := got.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello", s)
	}
	alive := 0
	for _, p := range getters {
		if p.Alive() {
			alive++
		}
	}
	require.Positive(t, alive, "at least one has had nothing")
	require.NoError(t, q.Put(ctx, "late"))
	s, err := got.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "late", s)
	for _, p := range getters {
		require.NoError(t, p.Wait(ctx))
	}
}

var putHello = proc.Register("queue.hello", func(ctx context.Context, q *proc.Queue[string]) error {
	return q.Put(ctx, "hello")
})

// forwardOne gets one item and puts it elsewhere.
var forwardOne = proc.Register("queue.forward", func(ctx context.Context, q []*proc.Queue[string]) error {
	s, err := q[0].Get(ctx)
	if err != nil {
		return err
	}
	return q[1].Put(ctx, s)
})

// Items of any size travel, also those that no socket would take at once.
func TestQueueLargeItems(t *testing.T) {
	ctx := watchdog(t)
	q, back := newQueue[letter](t, nil), newQueue[letter](t, nil)
	p := start(t, passLetters, []*proc.Queue[letter]{q, back}, nil)
	for i, size := range []int{0, 1 << 10, 1 << 20, 16 << 20, 40 << 20, 1} {
		want := letter{"big", i, []string{strings.Repeat("x", size)}}
		require.NoError(t, q.Put(ctx, want))
		got, err := back.Get(ctx)
		require.NoError(t, err)
		if !slices.Equal(want.Tags, got.Tags) {
			t.Fatalf("%d bytes did not arrive", size)
		}
	}
	require.NoError(t, q.CloseSend(ctx))
	require.NoError(t, p.Wait(ctx))
}

// Workers learn by CloseSend that it is over, each after the last item.
func TestQueueCloseSend(t *testing.T) {
	ctx := watchdog(t)
	q, sums := newQueue[int64](t, &proc.QueueOptions{MaxItems: 3}), newQueue[int64](t, nil)
	var workers []*proc.Process
	for range 3 {
		workers = append(workers, start(t, sumNumbers, []*proc.Queue[int64]{q, sums}, nil))
	}
	for i := range int64(100) {
		require.NoError(t, q.Put(ctx, i))
		require.LessOrEqual(t, q.Len(), 3)
	}
	require.NoError(t, q.CloseSend(ctx))
	require.NoError(t, q.CloseSend(ctx))
	total := int64(0)
	for _, w := range workers {
		n, err := sums.Get(ctx)
		require.NoError(t, err)
		total += n
		require.NoError(t, w.Wait(ctx))
	}
	require.EqualValues(t, 99*100/2, total)
}

var sumNumbers = proc.Register("queue.sum", func(ctx context.Context, q []*proc.Queue[int64]) error {
	total := int64(0)
	for n, err := range q[0].All(ctx) {
		if err != nil {
			return err
		}
		total += n
	}
	return q[1].Put(ctx, total)
})

// Many processes and goroutines put and get, and every item arrives once; those of one
// putter in order.
func TestQueueManyToMany(t *testing.T) {
	ctx := watchdog(t)
	q, back := newQueue[letter](t, &proc.QueueOptions{MaxItems: 10}), newQueue[letter](t, nil)
	const each = 300
	for i := range 3 {
		start(t, putLetters, queueArg{N: each, Letters: q}, &proc.Options{Name: fmt.Sprint("w", i)})
	}
	for range 2 {
		start(t, passLetters, []*proc.Queue[letter]{q, back}, nil)
	}
	seen := make(map[string]int)
	for range 3 * each {
		l, err := back.Get(ctx)
		require.NoError(t, err)
		seen[fmt.Sprint(l.From, l.N)]++
	}
	require.Len(t, seen, 3*each)
	require.NoError(t, q.CloseSend(ctx))
	_, err := back.TryGet()
	require.ErrorIs(t, err, proc.ErrEmpty)
}

// passLetters moves items with four goroutines, until the first queue ends.
var passLetters = proc.Register("queue.passOn", func(ctx context.Context, q []*proc.Queue[letter]) error {
	failed := make(chan error, 4)
	for range cap(failed) {
		go func() {
			for l, err := range q[0].All(ctx) {
				if err == nil {
					err = q[1].Put(ctx, l)
				}
				if err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	var err error
	for range cap(failed) {
		err = errors.Join(err, <-failed)
	}
	return err
})

// X05: a writer that is killed in the middle of whatever it does leaves whole items, and
// hangs nobody.
func TestQueueKilledWriterX05(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[letter](t, &proc.QueueOptions{MaxItems: 4})
	big := strings.Repeat("x", 100_000)
	for round := range 5 {
		p := start(t, floodLetters, floodLettersArg{q, big}, nil)
		for i := range 10 * (round + 1) {
			l, err := q.Get(ctx)
			require.NoError(t, err)
			require.Equal(t, letter{"flood", i, []string{big}}, l)
		}
		require.NoError(t, p.Kill())
		<-p.Done()
		for {
			soon, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			l, err := q.Get(soon)
			cancel()
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				break
			}
			require.Equal(t, []string{big}, l.Tags)
		}
		require.True(t, q.Empty())
	}
}

type floodLettersArg struct {
	Q   *proc.Queue[letter]
	Big string
}

var floodLetters = proc.Register("queue.flood", func(ctx context.Context, a floodLettersArg) error {
	for i := 0; ; i++ {
		if err := a.Q.Put(ctx, letter{"flood", i, []string{a.Big}}); err != nil {
			return err
		}
	}
})

// X06: readers that are killed, also while they wait, keep nobody from reading.
func TestQueueKilledReaderX06(t *testing.T) {
	ctx := watchdog(t)
	q, back := newQueue[letter](t, nil), newQueue[letter](t, nil)
	for i := range 5 {
		waiting := start(t, passLetters, []*proc.Queue[letter]{q, back}, nil)
		require.NoError(t, q.Put(ctx, letter{N: i}))
		l, err := back.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, i, l.N)
		require.NoError(t, waiting.Kill())
		<-waiting.Done()
	}
	require.NoError(t, q.Put(ctx, letter{N: 100}))
	l, err := q.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, 100, l.N)
}

// The option by which waiting ends when nobody is left.
func TestQueueFailAlone(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[letter](t, &proc.QueueOptions{FailAlone: true})
	p := start(t, floodLetters, floodLettersArg{Q: q}, nil)
	_, err := q.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, p.Kill())
	for err == nil {
		_, err = q.Get(ctx)
	}
	require.ErrorIs(t, err, ringbuf.ErrPeerDied)
}

// A queue of another type is refused where it arrives, so at Start.
func TestQueueOfAnotherType(t *testing.T) {
	ctx := watchdog(t)
	_, err := masked.Start(ctx, &mask{q: newQueue[int64](t, nil)}, nil)
	require.ErrorIs(t, err, proc.ErrArgument)
	require.ErrorContains(t, err, "receive Queue of uint64: "+ringbuf.ErrLayout.Error()+": it is a Queue of int64")
	s, err := proc.NewSimpleQueue[uint64]()
	require.NoError(t, err)
	defer s.Close()
	_, err = masked.Start(ctx, &mask{q: s}, nil)
	require.ErrorContains(t, err, "it is a SimpleQueue of uint64")
	for _, p := range proc.Children() {
		<-p.Done()
	}
}

// mask is some queue, which the child takes for one of uint64.
type mask struct{ q encoding.BinaryMarshaler }

func (m *mask) MarshalBinary() ([]byte, error) { return m.q.MarshalBinary() }

func (m *mask) UnmarshalBinary(b []byte) error { return new(proc.Queue[uint64]).UnmarshalBinary(b) }

var masked = proc.Register("queue.masked", func(context.Context, *mask) error { return nil })

// inGob is a codec by which shared objects travel as well.
var inGob = proc.RegisterCodec("queue.gob",
	func(v any) ([]byte, error) {
		var b bytes.Buffer
		err := gob.NewEncoder(&b).Encode(v)
		return b.Bytes(), err
	},
	func(data []byte, ptr any) error { return gob.NewDecoder(bytes.NewReader(data)).Decode(ptr) })

type gobbed struct {
	Text  string
	Reply *proc.Queue[int64]
}

var ungob = proc.Register("queue.ungob", func(ctx context.Context, q *proc.Queue[gobbed]) error {
	g, err := q.Get(ctx)
	if err != nil {
		return err
	}
	return g.Reply.Put(ctx, int64(len(g.Text)))
})

// A queue keeps its codec where it travels.
func TestQueueCodec(t *testing.T) {
	ctx := watchdog(t)
	q, reply := newQueue[gobbed](t, &proc.QueueOptions{Codec: inGob}), newQueue[int64](t, &proc.QueueOptions{Codec: inJSON})
	p := start(t, ungob, q, nil)
	require.NoError(t, q.Put(ctx, gobbed{"four", reply}))
	n, err := reply.Get(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 4, n)
	require.NoError(t, p.Wait(ctx))

	require.PanicsWithValue(t, `proc: register codec "json": the name is taken`, func() { proc.RegisterCodec("json", nil, nil) })
	require.Panics(t, func() { proc.RegisterCodec("", nil, nil) })
	late := proc.RegisterCodec("queue.late", nil, nil) // in this process only
	_, err = ungob.Start(ctx, newQueue[gobbed](t, &proc.QueueOptions{Codec: late}), nil)
	require.ErrorIs(t, err, proc.ErrArgument)
	require.ErrorContains(t, err, `codec "queue.late"`)
	for _, p := range proc.Children() {
		p.Wait(ctx)
	}
}

// Options that cannot be are refused.
func TestQueueOptions(t *testing.T) {
	for _, o := range []proc.QueueOptions{{MaxItems: -1}, {MaxBytes: -1}, {MaxBytes: 2 << 30}, {MaxMessage: -1}} {
		_, err := proc.NewQueue[int](&o)
		require.ErrorIs(t, err, ringbuf.ErrSize)
	}
	_, err := proc.NewQueue[int](&proc.QueueOptions{Consumers: 1000})
	require.ErrorIs(t, err, ringbuf.ErrOption)
	_, err = proc.NewQueue[struct{ F *os.File }](nil)
	require.ErrorIs(t, err, proc.ErrArgument)
}

// What Wait needs: a descriptor that is readable when Get would return at once, and not
// for ever.
func TestQueuePolls(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[letter](t, nil)
	f, err := proc.PollFileOf(q)
	require.NoError(t, err)
	same, err := proc.PollFileOf(q)
	require.NoError(t, err)
	require.Same(t, f, same)
	raw, err := f.SyscallConn()
	require.NoError(t, err)
	readable := func(ms int) bool {
		var fds []unix.PollFd
		require.NoError(t, raw.Control(func(fd uintptr) {
			fds = []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			for err = unix.EINTR; err == unix.EINTR; {
				_, err = unix.Poll(fds, ms)
			}
		}))
		require.NoError(t, err)
		return fds[0].Revents != 0
	}
	for range 3 {
		require.False(t, proc.PendingOf(q))
		require.False(t, readable(0))
		p := start(t, putLetters, queueArg{N: 2, Letters: q}, nil)
		require.True(t, readable(60_000))
		require.NoError(t, p.Wait(ctx))
		for range 2 {
			require.True(t, proc.PendingOf(q))
			_, err := q.Get(ctx)
			require.NoError(t, err)
		}
	}
	require.False(t, proc.PendingOf(q))
	require.NoError(t, q.CloseSend(ctx))
	require.True(t, readable(60_000))
	require.True(t, proc.PendingOf(q), "the end is news")
	require.NoError(t, q.Close())
	require.True(t, proc.PendingOf(q))
	_, err = proc.PollFileOf(q)
	require.ErrorIs(t, err, proc.ErrClosed)
}
