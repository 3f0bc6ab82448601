package ringbuf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// manyWalk is how many messages each producer of a walk sends.
const manyWalk = 40

func manyWalkOptions(again bool) *Options {
	return &Options{
		Mode: MPMC, Producers: 4, Consumers: 5, Strategy: Block, Redeliver: again,
		Capacity: minCapacity, MaxMessage: 150_000,
	}
}

// manySize is how large message n is: in a record, in what stays allocated of the
// extents, beyond.
func manySize(n int) int {
	switch n % 10 {
	case 2:
		return 100_000
	case 5:
		return 20_000
	case 7:
		return 16_000
	case 8:
		return 5_000
	case 9:
		return 1_024
	}
	return 16 + n
}

// manyCheck says whose message b is, and which.
func manyCheck(b []byte) (p, n int, err error) {
	if len(b) < 16 {
		return 0, 0, fmt.Errorf("%d bytes", len(b))
	}
	p, n = int(binary.LittleEndian.Uint64(b)), int(binary.LittleEndian.Uint64(b[8:]))
	if string(b) != string(numbered(p, n, len(b))) || len(b) != max(manySize(n), 16) {
		return p, n, fmt.Errorf("message %d of %d is spoilt", n, p)
	}
	return p, n, nil
}

// manySend sends messages from of producer id on in one of the ways, and returns how
// many were sent.
func manySend(ctx context.Context, p *Producer, id, from, to int) (int, error) {
	b := numbered(id, from, manySize(from))
	switch from % 5 {
	case 1:
		room, err := p.Reserve(ctx, len(b)+8)
		if err == nil {
			err = p.Commit(copy(room, b))
		}
		if err != nil {
			return 0, err
		}
		return 1, nil
	case 2:
		var batch [][]byte
		for n := from; n < min(from+2, to); n++ {
			batch = append(batch, numbered(id, n, manySize(n)))
		}
		return p.SendBatch(ctx, batch)
	}
	if err := p.Send(ctx, b); err != nil {
		return 0, err
	}
	return 1, nil
}

// manyReceive receives in one of the ways, and calls got with each message and
// whether it came again.
func manyReceive(ctx context.Context, c *Consumer, way int, got func(b []byte, again bool)) error {
	switch way % 3 {
	case 1:
		b, err := c.Next(ctx)
		if err == nil {
			b = append([]byte(nil), b...)
			again := c.Redelivered()
			c.Release()
			got(b, again)
		}
		return err
	case 2:
		bufs := make([][]byte, 3)
		n, err := c.RecvBatch(ctx, bufs)
		for _, b := range bufs[:n] {
			got(b, c.Redelivered())
		}
		return err
	}
	b, err := c.Recv(ctx, nil)
	if err == nil {
		got(b, c.Redelivered())
	}
	return err
}

// Args: whose messages, how many, and what then: "leave", "end" or "late". Tells how many
// it has sent.
var _ = testproc.Helper("many.producer", func(c *testproc.Child) {
	p := asProducer(c)
	id, count := number(c, 0), number(c, 1)
	for n := 0; n < count; {
		k, err := manySend(context.Background(), p, id, n, count)
		require.NoError(c, err)
		n += k
		c.WriteLine("%d", n)
	}
	switch c.Args[2] {
	case "late": // to commit what it has reserved: the stream has ended
		room, err := p.Reserve(context.Background(), 16)
		require.NoError(c, err)
		q, err := p.ring.Producer()
		require.NoError(c, err)
		require.NoError(c, q.CloseSend())
		require.ErrorIs(c, p.Commit(copy(room, numbered(id, count, 16))), ErrClosed)
	case "end":
		require.NoError(c, p.CloseSend())
		require.ErrorIs(c, p.Send(context.Background(), numbered(id, count, 16)), ErrClosed)
	}
	require.NoError(c, p.ring.Close())
})

// Args: how many times to receive before it leaves with a message in hand, if the
// stream has not ended before. Tells what it has received.
var _ = testproc.Helper("many.consumer", func(c *testproc.Child) {
	e := asConsumer(c)
	ctx := context.Background()
	for k := 0; k < number(c, 0); k++ {
		err := manyReceive(ctx, e, k, func(b []byte, again bool) {
			p, n, err := manyCheck(b)
			require.NoError(c, err)
			c.WriteLine("%d %d %v", p, n, again)
		})
		if gone(err) {
			break
		}
		require.NoError(c, err)
	}
	for inExtent := false; !inExtent; {
		b, err := e.Next(ctx)
		if gone(err) {
			break
		}
		require.NoError(c, err)
		inExtent = e.lane.held.e != nil
		p, n, err := manyCheck(b)
		require.NoError(c, err)
		c.WriteLine("%d %d %v", p, n, e.Redelivered())
		if !inExtent {
			e.Release()
		}
	}
	require.NoError(c, e.ring.Close())
})

// ledger is who sent and received what.
type ledger struct {
	t    *testing.T
	r    *Ring
	ctx  context.Context
	stop context.CancelFunc

	mu    sync.Mutex
	sent  map[int]int // per producer: its messages below this were sent
	most  map[int]int // and it began none from here on
	first map[[2]int]int
	again map[[2]int]int
	odd   error // what a consumer found wrong
	lost  int   // how many may be missing

	senders, receivers sync.WaitGroup
}

func newLedger(t *testing.T, o *Options) *ledger {
	l := &ledger{
		t: t, r: ring(t, o), sent: map[int]int{}, most: map[int]int{},
		first: map[[2]int]int{}, again: map[[2]int]int{},
	}
	l.ctx, l.stop = context.WithCancel(bounded(t))
	t.Cleanup(func() { // before the ring is closed
		l.stop()
		l.senders.Wait()
		l.receivers.Wait()
	})
	return l
}

func (l *ledger) wrong(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.odd = errors.Join(l.odd, err)
}

func (l *ledger) got(p, n int, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if again {
		l.again[[2]int{p, n}]++
	} else {
		l.first[[2]int{p, n}]++
	}
}

// send lets a producer of this process send, for as long as it takes. It calls
// half, if that is not nil, when it has sent half of it.
func (l *ledger) send(id int, half func()) {
	p := producer(l.t, l.r)
	l.most[id] = manyWalk
	l.senders.Go(func() {
		defer p.Close()
		for n := 0; n < manyWalk; {
			if n >= manyWalk/2 && half != nil {
				half()
				half = nil
			}
			k, err := manySend(l.ctx, p, id, n, manyWalk)
			n += k
			l.mu.Lock()
			l.sent[id] = n
			l.mu.Unlock()
			switch {
			case errors.Is(err, ErrNoConsumer): // not yet, or not any more
				runtime.Gosched()
			case errors.Is(err, ErrClosed):
				return
			case err != nil:
				l.wrong(fmt.Errorf("send: %w", err))
				return
			}
		}
	})
}

// receive lets a consumer of this process receive until the stream has ended. It
// calls first, if that is not nil, when it has the first message.
func (l *ledger) receive(first func()) {
	c := consumer(l.t, l.r)
	l.receivers.Go(func() {
		defer c.Close()
		last := map[int]int{}
		for k := 0; ; k++ {
			ended := l.r.Stats().Ended // before: otherwise all who were there have left
			err := manyReceive(l.ctx, c, k, func(b []byte, again bool) {
				p, n, err := manyCheck(b)
				if err != nil {
					l.wrong(err)
				}
				if before, ok := last[p]; ok && n <= before && !again {
					l.wrong(fmt.Errorf("message %d of %d after %d", n, p, before))
				}
				if !again {
					last[p] = n
				}
				l.got(p, n, again)
				if first != nil {
					first()
					first = nil
				}
			})
			switch {
			case err == nil:
			case err == io.EOF && ended:
				return
			case gone(err):
				runtime.Gosched()
			default:
				l.wrong(fmt.Errorf("receive: %w", err))
				return
			}
		}
	})
}

// startProducer starts a process that sends as producer id.
func (l *ledger) startProducer(v *testproc.Victim, id, count int, then string) *testproc.Proc {
	l.most[id] = count
	return v.Start("many.producer", testproc.Files(l.r.File()), testproc.Args(fmt.Sprint(id), fmt.Sprint(count), then))
}

func (l *ledger) startConsumer(v *testproc.Victim, times int) *testproc.Proc {
	l.lost++ // it has it, and has not told
	if !l.r.opts.Redeliver {
		l.lost += 2 // a batch
	}
	return v.Start("many.consumer", testproc.Files(l.r.File()), testproc.Args(fmt.Sprint(times)))
}

// ended notes what producer id told of before its end.
func (l *ledger) producerEnded(p *testproc.Proc, id int) {
	p.Wait()
	for {
		line, ok := p.NextLine()
		if !ok {
			return
		}
		n, err := strconv.Atoi(line)
		require.NoError(l.t, err)
		l.mu.Lock()
		l.sent[id] = n
		l.mu.Unlock()
	}
}

// consumerEnded notes what a consumer told of before its end.
func (l *ledger) consumerEnded(c *testproc.Proc) {
	c.Wait()
	for {
		line, ok := c.NextLine()
		if !ok {
			return
		}
		require.True(l.t, l.told(line), line)
	}
}

// told notes a message that a consumer told of, if that is what it says.
func (l *ledger) told(line string) bool {
	var p, n int
	var again bool
	if _, err := fmt.Sscan(line, &p, &n, &again); err != nil {
		return false
	}
	l.got(p, n, again)
	return true
}

// settle ends the stream, and checks that all that was sent was received and that
// nothing is left.
func (l *ledger) settle() {
	t, r := l.t, l.r
	testproc.Within(t, l.senders.Wait)
	if !r.Stats().Ended {
		p := producer(t, r)
		require.NoError(t, p.CloseSend())
		require.NoError(t, p.Close())
	}
	testproc.Within(t, l.receivers.Wait)
	l.mu.Lock()
	defer l.mu.Unlock()
	require.NoError(t, l.odd)
	var missing [][2]int
	for id, most := range l.most {
		for n := range most {
			first, again := l.first[[2]int{id, n}], l.again[[2]int{id, n}]
			require.LessOrEqual(t, first, 1, "message %d of %d was received twice", n, id)
			if !r.opts.Redeliver {
				require.Zero(t, again, "message %d of %d came again", n, id)
			}
			if n < l.sent[id] && first+again == 0 {
				missing = append(missing, [2]int{id, n})
			}
		}
	}
	for k := range l.first {
		require.Less(t, k[1], l.most[k[0]], "nobody sent message %d of %d", k[1], k[0])
	}
	require.LessOrEqual(t, len(missing), l.lost, "missing: %v", missing)
	l.empty()
}

// empty checks that everything has come back, once every lane has a producer.
func (l *ledger) empty() {
	t, s := l.t, l.r.many
	for {
		if _, err := l.r.Producer(); err != nil {
			require.ErrorIs(t, err, ErrTooManyProcesses)
			break
		}
	}
	for i := range s.lanes {
		require.Equal(t, s.end(&s.lanes[i]), s.lanes[i].head.Load(), "lane %d", i)
		for k := range s.table(i) {
			require.Equal(t, phaseFree, extentState(s.table(i)[k].state.Load()).phase(), "extent %d of lane %d", k, i)
		}
	}
	var st syscall.Stat_t
	require.NoError(t, syscall.Fstat(int(l.r.File().Fd()), &st))
	require.LessOrEqual(t, st.Blocks*512, int64(s.geo.head+s.geo.lanes*(s.geo.hold+s.geo.held)), "what big messages lay in was given back")
}

// laneSleeps says whether a producer of another process sleeps.
func (l *ledger) laneSleeps() bool {
	for i := range l.r.many.lanes {
		if l.r.many.lanes[i].asleep.Load() != awake {
			return true
		}
	}
	return false
}

func (l *ledger) seatSleeps() bool {
	for i := range l.r.many.seats {
		if l.r.many.seats[i].asleep.Load() != 0 {
			return true
		}
	}
	return false
}

// manyProduces runs a scenario: the victim is a producer that wakes a consumer, finds
// its lane full, and sleeps.
func manyProduces(l *ledger, v *testproc.Victim, stopped func(p *testproc.Proc)) {
	full := make(chan struct{})
	l.receive(func() { <-full })
	until(l.t, l.seatSleeps)
	l.r.many.h.sleepers.Store(^uint64(0)) // hints, most of them wrong
	p := l.startProducer(v, 1, manyWalk, "leave")
	until(l.t, func() bool { return l.laneSleeps() || v.Fired() || ended(p) })
	l.receive(nil)
	l.send(2, nil)
	close(full)
	stopped(p)
	l.producerEnded(p, 1)
}

// manyConsumes: the victim is a consumer that sleeps once, and leaves with a message.
func manyConsumes(l *ledger, v *testproc.Victim, stopped func(p *testproc.Proc)) {
	var c *testproc.Proc
	begun := make(chan struct{})
	l.send(1, func() {
		<-begun
		for !l.seatSleeps() && !v.Fired() && !ended(c) {
			runtime.Gosched()
		}
	})
	c = l.startConsumer(v, manyWalk*2/3)
	close(begun)
	until(l.t, func() bool { return v.Fired() || ended(c) })
	l.receive(nil)
	l.receive(nil)
	stopped(c)
	l.consumerEnded(c)
}

// manyEnds: the victim ends the stream, or is about to publish when it ends.
func manyEnds(l *ledger, v *testproc.Victim, stopped func(p *testproc.Proc)) {
	l.receive(nil)
	l.send(2, nil)
	then := "end"
	if v.Point == "lane.cut" {
		then = "late"
	}
	p := l.startProducer(v, 1, 10, then)
	stopped(p)
	l.producerEnded(p, 1)
}

// Takes a message that lies in an extent and parks.
var _ = testproc.Helper("many.holder", func(c *testproc.Child) {
	e := asConsumer(c)
	for {
		b, err := e.Next(context.Background())
		require.NoError(c, err)
		p, n, err := manyCheck(b)
		require.NoError(c, err)
		c.WriteLine("%d %d %v", p, n, e.Redelivered())
		if e.lane.held.e != nil {
			c.WriteLine("holds")
			c.Park()
			return
		}
		e.Release()
	}
})

// manyMourns: a consumer has died that held a message, and the victim buries it.
func manyMourns(l *ledger, v *testproc.Victim, stopped func(p *testproc.Proc)) {
	h := testproc.Start(l.t, "many.holder", testproc.Files(l.r.File()))
	p := producer(l.t, l.r)
	l.most[3] = 10
	for n := range 10 {
		require.NoError(l.t, p.Send(l.ctx, numbered(3, n, manySize(n))))
		l.sent[3] = n + 1
	}
	require.NoError(l.t, p.Close())
	for l.told(h.ReadLine()) {
	}
	h.Kill()
	h.Wait()
	c := l.startConsumer(v, 3)
	l.most[4] = manyWalk
	if v.Point != "lane.buried" && v.Point != "lane.offered" { // it may wait for more
		l.send(4, nil)
	}
	until(l.t, func() bool { return v.Fired() || ended(c) })
	l.receive(nil)
	stopped(c)
	l.consumerEnded(c)
}

// manyTwo: a producer and a consumer die, while others of both go on.
func manyTwo(l *ledger, v *testproc.Victim, stopped func(p *testproc.Proc)) {
	l.receive(nil)
	l.send(2, nil)
	c := l.startConsumer(v, 10)
	p := l.startProducer(v, 1, manyWalk, "leave")
	stopped(p)
	l.producerEnded(p, 1)
	testproc.Within(l.t, l.senders.Wait)
	if !ended(c) { // it waits for more
		l.end()
	}
	stopped(c)
	l.consumerEnded(c)
}

// end ends the stream.
func (l *ledger) end() {
	p := producer(l.t, l.r)
	if !l.r.Stats().Ended {
		require.NoError(l.t, p.CloseSend())
	}
	require.NoError(l.t, p.Close())
}

var manyScenarios = []func(l *ledger, v *testproc.Victim, stopped func(p *testproc.Proc)){manyProduces, manyConsumes, manyEnds, manyMourns, manyTwo}

func manyWalkPoints(stop bool) *testproc.WalkOptions {
	return &testproc.WalkOptions{Prefix: []string{"lane.", "seat.", "extent.", "shared."}, Stop: stop}
}

// S1, X05, X06: at whatever point a producer dies, a consumer, or both, everything
// published is received as promised, in order, and all memory comes back.
func TestManyCrashWalk(t *testing.T) {
	var scenarios []func(t *testing.T, v *testproc.Victim)
	for _, again := range []bool{false, true} {
		for i, scenario := range manyScenarios {
			if again && i%2 == 0 && i < 4 { // differs for consumers only
				continue
			}
			scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
				l := newLedger(t, manyWalkOptions(again))
				scenario(l, v, func(*testproc.Proc) {})
				l.settle()
			})
		}
	}
	testproc.CrashWalk(t, manyWalkPoints(false), scenarios...)
}

// probe is whose messages are sent while a victim is stopped.
const probe = 9

// S2: at whatever point a producer or consumer is stopped, the others go on, also to
// the end of the stream, and when it goes on nothing is missing.
func TestManyStopWalk(t *testing.T) {
	var scenarios []func(t *testing.T, v *testproc.Victim)
	for _, again := range []bool{false, true} {
		for i, scenario := range manyScenarios {
			if again && i%2 == 0 && i < 4 { // differs for consumers only
				continue
			}
			scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
				l := newLedger(t, manyWalkOptions(again))
				scenario(l, v, func(p *testproc.Proc) {
					if p.WaitStopped() {
						l.othersGoOn(v)
						p.Cont()
					}
					p.Succeed()
				})
				l.lost = 0 // nobody has died
				if i == 3 {
					l.lost = 1 // but for the one
				}
				l.settle()
			})
		}
	}
	testproc.CrashWalk(t, manyWalkPoints(true), scenarios...)
}

// othersGoOn checks that everything works while the victim is stopped.
func (l *ledger) othersGoOn(v *testproc.Victim) {
	if l.r.Stats().Ended {
		testproc.Within(l.t, l.senders.Wait)
		if !l.r.opts.Redeliver { // what the victim holds may have to come again
			testproc.Within(l.t, l.receivers.Wait)
		}
		return
	}
	p := producer(l.t, l.r)
	from := l.most[probe]
	l.most[probe] += 10
	for n := from; n < l.most[probe]; {
		k, err := manySend(l.ctx, p, probe, n, l.most[probe])
		if errors.Is(err, ErrClosed) { // by somebody else
			l.most[probe] = n + k
			break
		}
		require.NoError(l.t, err)
		n += k
		l.mu.Lock()
		l.sent[probe] = n
		l.mu.Unlock()
	}
	require.NoError(l.t, p.Close())
	until(l.t, func() bool {
		if l.r.Len() > 0 {
			return false
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		// What a stopped one has offered, others receive.
		return v.Point != "lane.buried" || !l.r.opts.Redeliver || len(l.again) > 0
	})
}
