//go:build !explore

package ringbuf

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
)

var (
	torture     = flag.Duration("torture", 2*time.Second, "how long TestTorture goes on")
	tortureSeed = flag.Uint64("tortureseed", 0, "what TestTorture makes its random choices from; 0: something new")
)

const (
	torturers    = 8
	tortureEpoch = time.Second / 2
)

// The queues.
const (
	tortureOnce  = iota // a ring for many, each message at most once
	tortureAgain        // another one, each at least once
	torturePair         // a ring with one end each
	tortureChan         // a channel for many
)

// Processes send and receive at random through rings and a channel, while a killer
// kills, stops and replaces one of them every few milliseconds, and three of four die
// or stop at some crash point by themselves. An epoch ends with a count: what was sent
// was received, once, but for what the dead may have had in their hands; and all
// memory has come back. In one epoch of three they are only stopped, and the count is
// exact; in another they wait without limit and without the look, so that each wake
// counts (torture_relay_linux_test.go).
//
//	go test -run Torture ./ringbuf -args -torture 60s
func TestTorture(t *testing.T) {
	seed := *tortureSeed
	if seed == 0 {
		seed = rand.Uint64() >> 2
	}
	t.Logf("-tortureseed %d", seed)
	testproc.VictimBinary(t) // takes some seconds
	var passed [tortureFeats]int
	var kills, died, stops, relayed, epochs int
	for end := time.Now().Add(*torture); (epochs < 3 || time.Now().Before(end)) && !t.Failed(); epochs++ {
		t.Run(strconv.Itoa(epochs), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, uint64(epochs)))
			if epochs%3 == 0 {
				relayed += tortureRelay(t, rnd, []string{"relay", "rush"}[epochs/3%2])
				return
			}
			e := newTortureEpoch(t, rnd, func(*Options) {})
			e.peaceful = epochs%3 == 2
			e.run(tortureEpoch)
			kills, died, stops = kills+e.kills, died+e.died, stops+e.stops
			for life := range e.book.lives {
				for feat := range passed {
					passed[feat] += int(e.book.lives[life].passed[feat].Load())
				}
			}
		})
	}
	if t.Failed() {
		return
	}
	for feat, n := range passed {
		t.Logf("%22s %d", tortureFeatNames[feat], n)
		if epochs >= 10 {
			require.NotZero(t, n, "nobody ever managed to %s", tortureFeatNames[feat])
		}
	}
	t.Logf("%d epochs, %d killed, %d of them at a crash point, %d stopped, %d messages without the look", epochs, kills, died, stops, relayed)
}

// tortureRack is one epoch, with queues of its own.
type tortureRack struct {
	t        *testing.T
	rnd      *rand.Rand
	peaceful bool // nobody is killed, so nothing may be lost
	exact    bool // and nobody has left with a message in hand
	book     *tortureBook
	files    []*os.File
	rings    [torturePair + 1]*Ring
	ch       *Chan[tortureValue]
	procs    [torturers]*testproc.Proc
	life     [torturers]int
	lives    int
	price    [tortureQueues]torturePrice

	points []string        // crash points
	armed  [torturers]bool // stops somewhere, or dies

	kills, died, stops int
}

func newTortureEpoch(t *testing.T, rnd *rand.Rand, change func(o *Options)) *tortureRack {
	e := &tortureRack{t: t, rnd: rnd, points: torturePoints(t)}
	book, f := newTortureBook(t)
	e.book, e.files = book, []*os.File{f}
	for q := range e.rings {
		o := e.options()
		change(&o)
		o.Capacity, o.MaxMessage, o.Redeliver = minCapacity, tortureLargest, q == tortureAgain
		o.Grow = o.Redeliver && rnd.IntN(2) == 0
		if q == torturePair {
			o = Options{Capacity: o.Capacity, MaxMessage: o.MaxMessage, Strategy: o.Strategy, OnPeerDeath: o.OnPeerDeath}
		}
		t.Logf("queue %d: %+v", q, o)
		e.rings[q] = ring(t, &o)
		e.files = append(e.files, e.rings[q].File())
	}
	o := e.options()
	change(&o)
	t.Logf("queue %d: %+v", tortureChan, o)
	var err error
	e.ch, err = NewChan[tortureValue]("", 64, &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.ch.Close()) })
	e.files = append(e.files, e.ch.File())
	return e
}

// options are those of a queue with many ends.
func (e *tortureRack) options() Options {
	o := Options{Mode: MPMC, Strategy: strategies[e.rnd.IntN(len(strategies))], OnPeerDeath: PeerDeath(e.rnd.IntN(2))}
	if e.rnd.IntN(4) == 0 {
		o.Mode = many[e.rnd.IntN(len(many))]
	}
	o.Producers, o.Consumers = o.Mode.ends(2 + e.rnd.IntN(7))
	return o
}

func (e *tortureRack) start(i int) {
	e.life[i] = e.lives
	e.lives++
	with := []testproc.Option{testproc.Files(e.files...), testproc.Args(strconv.Itoa(e.life[i]), strconv.Itoa(e.rnd.IntN(1<<30)))}
	if e.armed[i] = e.rnd.IntN(4) > 0; e.armed[i] {
		with = e.arm(with, e.rnd.IntN(7), e.peaceful || e.rnd.IntN(3) == 0)
	}
	e.procs[i] = testproc.Start(e.t, "torture.torturer", with...)
}

// arm makes a process die or stop at a crash point, at one of its first 2^n hits.
func (e *tortureRack) arm(with []testproc.Option, n int, stop bool) []testproc.Option {
	at := fmt.Sprintf("%s:%d", e.points[e.rnd.IntN(len(e.points))], 1+e.rnd.IntN(1<<n))
	if stop {
		at += ":stop"
	}
	return append(with, testproc.Binary(testproc.VictimBinary(e.t)), testproc.Env("SHMKIT_CRASHPOINT="+at))
}

// torturePoints are the crash points that a torturer comes to.
func torturePoints(t *testing.T) (points []string) {
	for _, p := range testproc.Points(t) {
		switch prefix, _, _ := strings.Cut(p, "."); prefix {
		case "lane", "seat", "extent", "shared", "large", "ring", "chan", "chunk", "fate":
			points = append(points, p)
		}
	}
	return points
}

// begun says whether process i has done anything.
func (e *tortureRack) begun(i int) bool {
	for feat := range e.book.lives[e.life[i]].passed {
		if e.book.lives[e.life[i]].passed[feat].Load() > 0 {
			return true
		}
	}
	return false
}

func (e *tortureRack) run(d time.Duration) {
	for i := range e.procs {
		e.start(i)
	}
	until(e.t, func() bool {
		for i, p := range e.procs {
			if e.begun(i) || ended(p) {
				return true
			}
			p.Cont() // of its crash point
		}
		return false
	})
	for begin := time.Now(); time.Since(begin) < d; {
		time.Sleep(time.Duration(1+e.rnd.IntN(5)) * time.Millisecond) // sleep: the torturers' time
		if time.Since(begin) > d*3/4 && e.book.ending.Load() == 0 {
			e.book.ending.Store(1<<tortureQueues | uint32(e.rnd.IntN(1<<tortureQueues)))
		}
		for i, p := range e.procs {
			if e.armed[i] && ended(p) && e.lives < tortureLives {
				e.died++
				e.kill(i)
				e.start(i)
			}
		}
		i := e.rnd.IntN(torturers)
		p := e.procs[i]
		switch {
		case e.armed[i] && e.rnd.IntN(2) == 0:
			p.Cont()
		case e.peaceful || e.rnd.IntN(4) == 0:
			if p.Stop() {
				e.stops++
				time.Sleep(time.Duration(e.rnd.IntN(10)) * time.Millisecond) // sleep: the others' time
				p.Cont()
			}
		case e.lives < tortureLives && (e.rnd.IntN(2) == 0 && e.begun(i)):
			e.kill(i)
			e.start(i)
		}
	}
	e.book.stop.Store(1)
	for i, p := range e.procs {
		for e.armed[i] && !ended(p) {
			p.Cont()
			time.Sleep(time.Millisecond) // sleep: until it ends, or stops at its crash point
		}
		if p.Wait().Success() || !e.armed[i] {
			p.Succeed()
			continue
		}
		e.kill(i)
	}
	e.settle()
}

func (e *tortureRack) kill(i int) {
	p := e.procs[i]
	p.Kill()
	if s := p.Wait().Sys().(syscall.WaitStatus); !s.Signaled() {
		p.Succeed() // or say why it did not
	}
	e.kills++
	e.book.died(e.life[i], &e.price)
}

// settle receives what is left, takes stock, and sees that everything has come back.
func (e *tortureRack) settle() {
	t := e.t
	for q, r := range e.rings {
		c := consumer(t, r)
		for {
			b, err := c.TryRecv(nil)
			if err != nil {
				require.True(t, err == io.EOF || errors.Is(err, ErrEmpty) || errors.Is(err, ErrPeerDied), "%v", err)
				break
			}
			id, blank, err := tortureGet(b)
			require.NoError(t, err)
			require.Zero(t, e.book.over[q].Load(), "%v is left after the end of the stream", id)
			if blank {
				e.book.lives[0].q[q].blanksGot.Add(1)
			} else {
				require.NoError(t, e.book.note(id, q, c.Redelivered(), rulesOf(r)))
			}
		}
		e.book.settle(t, q, rulesOf(r), e.price[q])
		if e.exact {
			tortureMemory(t, r)
		}
		require.Zero(t, r.Len(), "queue %d: %+v", q, r.Stats())
		if !r.Stats().Ended {
			tortureFill(t, r, c)
		}
		tortureEmpty(t, r)
	}
	for {
		v, err := e.ch.TryRecv()
		if err != nil {
			require.True(t, err == io.EOF || errors.Is(err, ErrEmpty) || errors.Is(err, ErrPeerDied), "%v", err)
			break
		}
		require.NoError(t, v.check())
		require.NoError(t, e.book.note(v.id, tortureChan, false, tortureRules{}))
	}
	e.book.settle(t, tortureChan, tortureRules{}, e.price[tortureChan])
	require.Zero(t, e.ch.Len())
	if !e.ch.Stats().Ended {
		tortureFillChan(t, e.ch)
	}
}

// tortureFill fills a ring from all ends that it has room for, with small messages
// and then with large ones, and receives them all.
func tortureFill(t *testing.T, r *Ring, c *Consumer) {
	var ps []*Producer
	for {
		p, err := r.Producer()
		if err != nil {
			require.True(t, away(err), "%v", err)
			break
		}
		ps = append(ps, p)
	}
	require.Len(t, ps, r.opts.Producers)
	for _, size := range []int{56, minCapacity / 4, tortureLargest} {
		b := make([]byte, size)
		for i, p := range ps {
			n := 0
			for p.TrySend(b) == nil {
				n++
			}
			least := minCapacity/64 - 1 // of records, one for the end of the lane
			switch {
			case size > 56 && r.opts.Mode == SPSC && size < minCapacity:
				least = 2
			case size > 56: // not to the last, where what is free is in two pieces
				least = 3
			case r.opts.Redeliver && !r.opts.Grow: // as many as there are extents
				least = r.many.geo.table
			}
			require.GreaterOrEqual(t, n, least, "messages of %d bytes of producer %d", size, i)
			for ; n > 0; n-- {
				got, err := c.TryRecv(nil)
				require.NoError(t, err)
				require.Equal(t, len(b), len(got))
				require.False(t, c.Redelivered())
			}
		}
	}
	_, err := c.TryRecv(nil)
	require.ErrorIs(t, err, ErrEmpty)
	for _, p := range ps {
		require.NoError(t, p.Close())
	}
}

// tortureEmpty checks that no memory is held once every lane has a producer.
func tortureEmpty(t *testing.T, r *Ring) {
	for {
		if _, err := r.Producer(); err != nil {
			require.True(t, away(err), "%v", err)
			break
		}
	}
	if s := r.many; s != nil {
		for i := range s.lanes {
			for k := range s.table(i) {
				require.Equal(t, phaseFree, extentState(s.table(i)[k].state.Load()).phase(), "extent %d of lane %d", k, i)
			}
		}
	}
	tortureMemory(t, r)
}

// tortureMemory checks that what large messages lay in was given back to the system.
func tortureMemory(t *testing.T, r *Ring) {
	most := int64(headSize + r.Cap())
	if s := r.many; s != nil {
		most = int64(s.geo.head + s.geo.lanes*(s.geo.hold+s.geo.held))
		if s.sparse() { // two chunks, and one for the next message
			most = drained(s, s.geo.lanes) + int64(s.geo.lanes*s.geo.chunk)
		}
	}
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(int(r.File().Fd()), &st))
	require.LessOrEqual(t, st.Blocks*512, most)
}

func tortureFillChan(t *testing.T, ch *Chan[tortureValue]) {
	var all []*Chan[tortureValue]
	n := 0
	for range ch.opts.Producers {
		fd, err := unix.FcntlInt(ch.File().Fd(), unix.F_DUPFD_CLOEXEC, 0)
		require.NoError(t, err)
		c, err := OpenChanFile[tortureValue](os.NewFile(uintptr(fd), "queue"))
		require.NoError(t, err)
		all = append(all, c)
		k := 0
		for err = nil; err == nil; k++ {
			err = c.TrySend(newTortureValue(tortureID(n + k)))
		}
		require.ErrorIs(t, err, ErrFull)
		require.Equal(t, ch.Cap(), k-1)
		n += k - 1
	}
	require.Equal(t, n, ch.Len())
	for range n {
		v, err := ch.TryRecv()
		require.NoError(t, err)
		require.NoError(t, v.check())
	}
	_, err := ch.TryRecv()
	require.ErrorIs(t, err, ErrEmpty)
	for _, c := range all {
		require.NoError(t, c.Close())
	}
}
