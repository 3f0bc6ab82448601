package ringbuf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// selectQueue is a ring or channel of which a Select has both ends, whatever it is.
type selectQueue struct {
	name string
	file *os.File
	put  func(n uint64) error         // sends without waiting
	get  func() (uint64, error)       // receives without waiting
	send func(n uint64) Case          // a case that sends n
	recv func() (Case, func() uint64) // a case that receives, and what it received
	end  func(ctx context.Context)    // ends the stream
	shut func(receiver bool)          // closes one of the ends
	poll func() (*os.File, error)     // a descriptor of the receiving end
	wait func(context.Context) error  // receives, waiting
}

func selectNumber(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

func selectBytes(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

// selectRing is a ring of few messages: they are large.
func selectRing(t testing.TB, o Options) *selectQueue {
	o.Capacity = minCapacity
	r := ring(t, &o)
	p, c := producer(t, r), consumer(t, r)
	pad := make([]byte, 10000)
	message := func(n uint64) []byte { return append(selectBytes(n), pad...) }
	return &selectQueue{
		name: fmt.Sprintf("ring %v redeliver=%v", o.Mode, o.Redeliver), file: r.File(),
		put: func(n uint64) error { return p.TrySend(message(n)) },
		get: func() (uint64, error) {
			b, err := c.TryRecv(nil)
			if err != nil {
				return 0, err
			}
			return selectNumber(b), nil
		},
		send: func(n uint64) Case { return p.CaseSend(message(n)) },
		recv: func() (Case, func() uint64) {
			b := new([]byte)
			return c.CaseRecv(b), func() uint64 { return selectNumber(*b) }
		},
		end: func(context.Context) { require.NoError(t, p.CloseSend()) },
		shut: func(receiver bool) {
			if receiver {
				c.Close()
			} else {
				p.Close()
			}
		},
		poll: c.PollFile,
		wait: func(ctx context.Context) error { _, err := c.Recv(ctx, nil); return err },
	}
}

func selectChan(t testing.TB, o Options) *selectQueue {
	ch, err := NewChan[uint64]("", 4, &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ch.Close()) })
	return &selectQueue{
		name: fmt.Sprintf("chan %v", o.Mode), file: ch.File(),
		put: ch.TrySend, get: ch.TryRecv, send: ch.CaseSend,
		recv: func() (Case, func() uint64) {
			v := new(uint64)
			return ch.CaseRecv(v), func() uint64 { return *v }
		},
		end:  func(ctx context.Context) { require.NoError(t, ch.CloseSend(ctx)) },
		shut: func(bool) { ch.Close() },
		poll: ch.PollFile,
		wait: func(ctx context.Context) error { _, err := ch.Recv(ctx); return err },
	}
}

// selectManyQueue is a Queue of few messages.
func selectManyQueue(t testing.TB, o Options) *selectQueue {
	o.Capacity = minCapacity
	qu := queue(t, &o)
	pad := make([]byte, 10000)
	message := func(n uint64) []byte { return append(selectBytes(n), pad...) }
	return &selectQueue{
		name: fmt.Sprintf("queue %v redeliver=%v", o.Mode, o.Redeliver), file: qu.File(),
		put: func(n uint64) error { return qu.TrySend(message(n)) },
		get: func() (uint64, error) {
			b, err := qu.TryRecv(nil)
			if err != nil {
				return 0, err
			}
			return selectNumber(b), nil
		},
		send: func(n uint64) Case { return qu.CaseSend(message(n)) },
		recv: func() (Case, func() uint64) {
			b := new([]byte)
			return qu.CaseRecv(b), func() uint64 { return selectNumber(*b) }
		},
		end:  func(ctx context.Context) { require.NoError(t, qu.CloseSend(ctx)) },
		shut: func(bool) { qu.Close() },
		poll: qu.PollFile,
		wait: func(ctx context.Context) error { _, err := qu.Recv(ctx, nil); return err },
	}
}

// selectQueues are one of each kind.
func selectQueues(t testing.TB, s Strategy, death PeerDeath) []*selectQueue {
	o := func(m Mode) Options { return Options{Mode: m, Strategy: s, OnPeerDeath: death} }
	again := o(MPMC)
	again.Redeliver = true
	return []*selectQueue{
		selectRing(t, o(SPSC)), selectRing(t, o(MPMC)), selectRing(t, again), selectRing(t, o(MPSC)),
		selectChan(t, o(SPSC)), selectChan(t, o(MPMC)),
		selectManyQueue(t, o(MPMC)), selectManyQueue(t, again),
	}
}

func eachSelect(t *testing.T, fn func(t *testing.T, q, other *selectQueue)) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		for i := range selectQueues(t, s, Fail) {
			all, others := selectQueues(t, s, Fail), selectQueues(t, s, Fail)
			q, other := all[i], others[(i+1)%len(others)]
			t.Run(q.name, func(t *testing.T) { fn(t, q, other) })
		}
	})
}

// selected is what a Select on another goroutine returned.
type selected struct {
	i   int
	err error
}

func selectAsync(ctx context.Context, cases ...Case) <-chan selected {
	done := make(chan selected, 1)
	go func() {
		i, err := Select(ctx, cases...)
		done <- selected{i, err}
	}()
	return done
}

func selectGot(t testing.TB, done <-chan selected) (s selected) {
	t.Helper()
	testproc.Within(t, func() { s = <-done })
	return s
}

// fill sends until there is no room.
func (q *selectQueue) fill(t testing.TB) (n uint64) {
	for ; ; n++ {
		err := q.put(n)
		if err == ErrFull {
			return n
		}
		require.NoError(t, err)
	}
}

// One case is performed, and of the others nothing.
func TestSelectPerformsOne(t *testing.T) {
	eachSelect(t, func(t *testing.T, q, other *selectQueue) {
		ctx := bounded(t)
		_, err := other.get() // its producer is there, and so is its consumer
		require.Equal(t, ErrEmpty, err)
		require.NoError(t, q.put(7))
		recv, got := q.recv()
		idle, _ := other.recv()
		i, err := Select(ctx, idle, Case{}, recv)
		require.NoError(t, err)
		require.Equal(t, 2, i)
		require.EqualValues(t, 7, got())
		_, err = q.get()
		require.Equal(t, ErrEmpty, err, "the message was left")

		n := q.fill(t)
		i, err = TrySelect(q.send(99), idle)
		require.Equal(t, ErrNotReady, err)
		require.Equal(t, -1, i)
		i, err = Select(ctx, q.send(99), other.send(5))
		require.NoError(t, err)
		require.Equal(t, 1, i)
		for k := range n {
			v, err := q.get()
			require.NoError(t, err)
			require.Equal(t, k, v)
		}
		_, err = q.get()
		require.Equal(t, ErrEmpty, err, "a case that was not chosen has sent")
		v, err := other.get()
		require.NoError(t, err)
		require.EqualValues(t, 5, v)
	})
}

// Whatever a Select waits for wakes it: a message, room, the end of a stream, a closed
// end. It sleeps each time, or spins without end.
func TestSelectWaits(t *testing.T) {
	eachSelect(t, func(t *testing.T, q, other *selectQueue) {
		ctx := bounded(t)
		other.fill(t)
		idle := other.send(1)
		recv, got := q.recv()
		for n := range uint64(20) {
			done := selectAsync(ctx, idle, recv)
			if n%2 == 0 {
				time.Sleep(time.Millisecond) // sleep: it is asleep then, most of the time; either way is right
			}
			require.NoError(t, q.put(n))
			require.Equal(t, selected{1, nil}, selectGot(t, done))
			require.Equal(t, n, got())
		}
		for n := range uint64(4) {
			idle, _ := q.recv()
			done := selectAsync(ctx, idle, other.send(1000+n))
			_, err := other.get()
			require.NoError(t, err)
			require.Equal(t, selected{1, nil}, selectGot(t, done))
			other.fill(t)
		}
		done := selectAsync(ctx, idle, recv)
		q.end(ctx)
		require.Equal(t, selected{1, io.EOF}, selectGot(t, done))
		for other.put(0) == nil {
		}
		fresh := selectRing(t, Options{})
		idle, _ = fresh.recv()
		done = selectAsync(ctx, other.send(1), idle)
		time.Sleep(time.Millisecond) // sleep: it is asleep then, most of the time; either way is right
		other.shut(false)
		require.Equal(t, selected{0, ErrClosed}, selectGot(t, done))
	})
}

// The context ends a Select that waits, and one with no cases.
func TestSelectContext(t *testing.T) {
	eachSelect(t, func(t *testing.T, q, other *selectQueue) {
		recv, _ := q.recv()
		idle, _ := other.recv()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		i, err := Select(ctx, recv, idle)
		require.Equal(t, context.DeadlineExceeded, err)
		require.Equal(t, -1, i)
		ctx, cancel = context.WithCancel(context.Background())
		done := selectAsync(ctx, recv, idle)
		cancel()
		require.Equal(t, selected{-1, context.Canceled}, selectGot(t, done))
		require.NoError(t, q.put(3)) // a case that is ready is performed nevertheless
		i, err = Select(ctx, recv, idle)
		require.NoError(t, err)
		require.Equal(t, 0, i)
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	i, err := Select(ctx, Case{})
	require.Equal(t, context.DeadlineExceeded, err)
	require.Equal(t, -1, i)
	i, err = TrySelect()
	require.Equal(t, ErrNotReady, err)
	require.Equal(t, -1, i)
}

// An end is in one case, and there are not too many.
func TestSelectRefuses(t *testing.T) {
	p, c := pair(t, nil)
	var a, b []byte
	for _, cases := range [][]Case{
		{c.CaseRecv(&a), c.CaseNext(&b)}, {p.CaseSend(nil), Case{}, p.CaseSend([]byte{1})},
	} {
		require.NoError(t, p.TrySend(nil))
		i, err := Select(bounded(t), cases...)
		require.ErrorIs(t, err, ErrCases)
		require.Equal(t, -1, i)
		_, err = TrySelect(cases...)
		require.ErrorIs(t, err, ErrCases)
	}
	var cases []Case
	var last *Chan[uint64]
	for range mostCases {
		ch, err := NewChan[uint64]("", 1, nil)
		require.NoError(t, err)
		defer ch.Close()
		cases, last = append(cases, ch.CaseRecv(new(uint64))), ch
	}
	done := selectAsync(bounded(t), cases...)
	time.Sleep(time.Millisecond) // sleep: it is asleep then, most of the time; either way is right
	require.NoError(t, last.TrySend(1))
	require.Equal(t, selected{mostCases - 1, nil}, selectGot(t, done))
	_, err := TrySelect(append(cases, c.CaseRecv(&a))...)
	require.ErrorIs(t, err, ErrCases)
}

// Where several cases are ready, each is performed now and then.
func TestSelectIsFair(t *testing.T) {
	p, c := pair(t, nil)
	var chans [2]*Chan[uint64]
	for i := range chans {
		ch, err := NewChan[uint64]("", 1, &Options{Mode: []Mode{SPSC, MPMC}[i]})
		require.NoError(t, err)
		defer ch.Close()
		chans[i] = ch
	}
	ctx := bounded(t)
	var count [3]int
	for n := range 600 {
		p.TrySend(nil)
		chans[0].TrySend(1)
		chans[1].TrySend(1)
		var msg []byte
		i, err := Select(ctx, c.CaseNext(&msg), chans[0].CaseRecv(new(uint64)), chans[1].CaseRecv(new(uint64)))
		require.NoError(t, err, n)
		count[i]++
		c.Release()
	}
	for i, n := range count {
		require.Greater(t, n, 100, "case %d of %v", i, count)
	}
}

// Sends one value and then one for each line.
var _ = testproc.Helper("select.producer", func(c *testproc.Child) {
	var send func(b []byte) error
	ctx := context.Background()
	if c.Args[0] == "ring" {
		send = func(p *Producer) func(b []byte) error {
			return func(b []byte) error { return p.Send(ctx, b) }
		}(asProducer(c))
	} else {
		ch, err := OpenChanFile[uint64](c.Files[0])
		require.NoError(c, err)
		send = func(b []byte) error { return ch.Send(ctx, selectNumber(b)) }
	}
	for n := uint64(0); ; n++ {
		require.NoError(c, send(selectBytes(n)))
		c.WriteLine("sent")
		c.ReadLine()
	}
})

// Receives one value, and holds it.
var _ = testproc.Helper("select.consumer", func(c *testproc.Child) {
	e := asConsumer(c)
	_, err := e.Next(context.Background())
	require.NoError(c, err)
	c.WriteLine("holding")
	c.Park()
})

// selectAlone are rings and channels of which this process only receives.
func selectAlone(t *testing.T, s Strategy) (names []string, files []*os.File, cases []Case) {
	var buf []byte
	for _, m := range []Mode{SPSC, MPSC, MPMC} {
		r := ring(t, &Options{Mode: m, Strategy: s})
		ch, err := NewChan[uint64]("", 4, &Options{Mode: m, Strategy: s})
		require.NoError(t, err)
		t.Cleanup(func() { ch.Close() })
		names = append(names, "ring", "chan")
		files = append(files, r.File(), ch.File())
		cases = append(cases, consumer(t, r).CaseRecv(&buf), ch.CaseRecv(new(uint64)))
	}
	return names, files, cases
}

// X05: who is killed while others select from what it sends to is noticed by them, after
// everything that it has sent.
func TestX05SelectHearsOfDeath(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		names, files, cases := selectAlone(t, s)
		ctx := bounded(t)
		for i, name := range names {
			victim := testproc.Start(t, "select.producer", testproc.Files(files[i]), testproc.Args(name))
			for range 3 {
				got, err := Select(ctx, cases...)
				require.NoError(t, err)
				require.Equal(t, i, got)
				victim.Expect("sent")
				victim.WriteLine("more")
			}
			got, err := Select(ctx, cases...)
			require.NoError(t, err)
			require.Equal(t, i, got)
			victim.Expect("sent")
			done := selectAsync(ctx, cases...)
			time.Sleep(time.Millisecond) // sleep: it is asleep then, most of the time; either way is right
			victim.Kill()
			require.Equal(t, selected{i, ErrPeerDied}, selectGot(t, done), "%s %d", name, i)
			cases[i] = Case{} // it is ready from now on
		}
	})
}

// X06: who is killed while others select a case to send to it is noticed by them.
func TestX06SelectHearsOfConsumersDeath(t *testing.T) {
	for _, m := range []Mode{SPSC, SPMC, MPMC} {
		t.Run(m.String(), func(t *testing.T) {
			r := ring(t, &Options{Mode: m, Capacity: minCapacity})
			p := producer(t, r)
			big := make([]byte, 10000)
			require.NoError(t, p.TrySend(big))
			victim := testproc.Start(t, "select.consumer", testproc.Files(r.File()))
			victim.Expect("holding")
			for p.TrySend(big) == nil {
			}
			_, idle := pair(t, nil)
			done := selectAsync(bounded(t), idle.CaseRecv(new([]byte)), p.CaseSend(big))
			time.Sleep(time.Millisecond) // sleep: it is asleep then, most of the time; either way is right
			victim.Kill()
			got := selectGot(t, done)
			require.Equal(t, 1, got.i)
			require.ErrorIs(t, got.err, ErrNoConsumer)
			require.ErrorIs(t, got.err, ErrPeerDied)
		})
	}
}

// Selects from two rings until both have ended, and prints the sum of what it received.
var _ = testproc.Helper("select.both", func(c *testproc.Child) {
	var ends [2]*Consumer
	for i, f := range c.Files {
		r, err := OpenFile(f)
		require.NoError(c, err)
		ends[i], err = r.Consumer()
		require.NoError(c, err)
	}
	c.WriteLine("ready")
	var n, sum uint64
	var buf, msg []byte
	cases := []Case{ends[0].CaseRecv(&buf), ends[1].CaseNext(&msg)}
	for left := 2; left > 0; {
		i, err := Select(context.Background(), cases...)
		switch {
		case err == io.EOF:
			cases[i] = Case{}
			left--
			continue
		case i == 0:
			sum += selectNumber(buf)
		case i == 1:
			sum += selectNumber(msg)
			ends[1].Release()
		}
		require.NoError(c, err)
		n++
	}
	c.WriteLine("%d %d", n, sum)
})

// X05: processes that select compete for two rings: each message is received once, though
// each process is woken for messages of which it receives another.
func TestX05SelectLosesNothing(t *testing.T) {
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("redeliver=%v", again), func(t *testing.T) {
			const each = 2000
			var files []*os.File
			var producers []*Producer
			for _, s := range []Strategy{Hybrid, Block} {
				r := ring(t, &Options{Mode: MPMC, Strategy: s, Redeliver: again, Capacity: minCapacity})
				files = append(files, r.File())
				producers = append(producers, producer(t, r), producer(t, r))
			}
			var children []*testproc.Proc
			for range 3 {
				children = append(children, testproc.Start(t, "select.both", testproc.Files(files...)))
			}
			for _, c := range children {
				c.Expect("ready")
			}
			ctx := bounded(t)
			var sent sync.WaitGroup
			for k, p := range producers {
				sent.Go(func() {
					for n := range uint64(each) {
						require.NoError(t, p.Send(ctx, selectBytes(n)))
						if (n+uint64(k))%64 == 0 {
							time.Sleep(50 * time.Microsecond) // sleep: so that they fall asleep now and then
						}
					}
				})
			}
			sent.Wait()
			require.NoError(t, producers[0].CloseSend())
			require.NoError(t, producers[2].CloseSend())
			var count, total uint64
			for _, c := range children {
				var n, sum uint64
				_, err := fmt.Sscan(c.ReadLine(), &n, &sum)
				require.NoError(t, err)
				count, total = count+n, total+sum
				c.Succeed()
			}
			require.EqualValues(t, 4*each, count)
			require.EqualValues(t, 4*each*(each-1)/2, total)
		})
	}
}

// A consumer that was woken and takes something else wakes another in its place.
func TestSelectPassesOn(t *testing.T) {
	r := ring(t, &Options{Mode: MPMC, Strategy: Block})
	p, first, second := producer(t, r), consumer(t, r), consumer(t, r)
	q, other := pair(t, &Options{Strategy: Block})
	var a, b []byte
	ctx := bounded(t)
	cases := []Case{first.CaseRecv(&a), other.CaseRecv(&b)}
	_, err := TrySelect(cases...)
	require.Equal(t, ErrNotReady, err)
	require.NoError(t, q.TrySend(nil))
	require.NoError(t, p.TrySend(nil))
	first.lane.nap.woken = true // by that message
	second.lane.seat.asleep.Store(1)
	second.lane.notify()
	i, err := newSelection(cases).wait(ctx, 1)
	require.NoError(t, err)
	require.Equal(t, 1, i)
	require.EqualValues(t, awake, second.lane.seat.asleep.Load(), "nobody was woken for the message")
	require.False(t, first.lane.nap.woken)
}

// The goroutines of a process share one end of a channel for many: those that select, and
// those that wait for nothing else.
func TestSelectSharesTurns(t *testing.T) {
	for _, s := range strategies {
		t.Run(s.String(), func(t *testing.T) {
			const each, goroutines = 500, 6
			ctx := bounded(t)
			in, err := NewChan[uint64]("", 8, &Options{Mode: MPMC, Strategy: s})
			require.NoError(t, err)
			out, err := NewChan[uint64]("", 8, &Options{Mode: MPMC, Strategy: s})
			require.NoError(t, err)
			var all sync.WaitGroup
			for g := range goroutines {
				all.Go(func() { // forwards
					for {
						var v uint64
						var err error
						if g%3 == 0 {
							v, err = in.Recv(ctx)
						} else {
							_, idle := pair(t, nil)
							_, err = Select(ctx, idle.CaseRecv(new([]byte)), in.CaseRecv(&v))
						}
						if err == io.EOF {
							return
						}
						require.NoError(t, err)
						if g%2 == 0 {
							_, err = Select(ctx, out.CaseSend(v))
						} else {
							err = out.Send(ctx, v)
						}
						require.NoError(t, err)
					}
				})
			}
			all.Go(func() {
				for n := range uint64(each) {
					require.NoError(t, in.Send(ctx, n))
				}
				require.NoError(t, in.CloseSend(ctx))
			})
			seen := map[uint64]bool{}
			for range each {
				var v uint64
				_, err := Select(ctx, out.CaseRecv(&v))
				require.NoError(t, err)
				require.False(t, seen[v], "%d twice", v)
				seen[v] = true
			}
			all.Wait()
			done := make(chan selected, 3)
			for range 3 {
				go func() {
					i, err := Select(ctx, out.CaseRecv(new(uint64)))
					done <- selected{i, err}
				}()
			}
			time.Sleep(time.Millisecond) // sleep: they are asleep then, most of the time; either way is right
			require.NoError(t, out.Close())
			for range 3 {
				require.Equal(t, selected{0, ErrClosed}, selectGot(t, done))
			}
			require.Empty(t, out.many.recv.bells)
			require.NoError(t, in.Close())
		})
	}
}

// A ring whose file is truncated while a Select sleeps is ready with ErrTruncated.
func TestSelectTruncated(t *testing.T) {
	faultsAreSeen(t)
	for _, m := range []Mode{SPSC, MPMC} {
		t.Run(m.String(), func(t *testing.T) {
			name := newName(t)
			r := namedRing(t, name, &Options{Mode: m, Strategy: Block})
			c := consumer(t, r)
			producer(t, r)
			_, idle := pair(t, nil)
			done := selectAsync(bounded(t), idle.CaseRecv(new([]byte)), c.CaseRecv(new([]byte)))
			time.Sleep(time.Millisecond) // sleep: it is asleep then, most of the time; either way is right
			require.NoError(t, os.Truncate(filepath.Join("/dev/shm", name), 0))
			got := selectGot(t, done)
			require.ErrorIs(t, got.err, ErrTruncated)
			require.Equal(t, 1, got.i)
		})
	}
}

// A Select that does not wait allocates nothing, except for values to send.
func TestSelectAllocatesNothing(t *testing.T) {
	p, c := pair(t, nil)
	r := ring(t, &Options{Mode: MPMC})
	mp, mc := producer(t, r), consumer(t, r)
	ch, err := NewChan[uint64]("", 4, nil)
	require.NoError(t, err)
	defer ch.Close()
	ctx := context.Background()
	buf, msg, v := make([]byte, 64), []byte(nil), uint64(0)
	b := buf[:8]
	must := func(err error) {
		if err != nil && !errors.Is(err, ErrEmpty) {
			require.NoError(t, err)
		}
	}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		must(p.Send(ctx, b))
		must(mp.Send(ctx, b))
		must(ch.Send(ctx, 1))
		for range 3 {
			i, err := Select(ctx, c.CaseNext(&msg), mc.CaseRecv(&buf), ch.CaseRecv(&v))
			must(err)
			if i == 0 {
				c.Release()
			}
		}
		_, err := Select(ctx, p.CaseSend(b))
		must(err)
		_, err = c.TryRecv(buf)
		must(err)
	}))
}
