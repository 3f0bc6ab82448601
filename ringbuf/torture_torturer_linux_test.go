//go:build !explore

package ringbuf

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
)

// The feats are what a torturer does, at random.
const (
	featSend = iota
	featTrySend
	featSendBatch
	featReserve
	featAbort
	featRecv
	featTryRecv
	featRecvBatch
	featNext
	featTryNext
	featRelease
	featCloseProducer
	featCloseConsumer
	featReopen
	featCloseSend
	tortureFeats
)

var tortureFeatNames = [tortureFeats]string{
	"send", "try to send", "send a batch", "commit", "abort", "receive", "try to receive", "receive a batch",
	"take the next", "try to take the next", "release", "leave as producer", "leave as consumer", "close", "end a stream",
}

// tortureOdds are how often each is tried.
var tortureOdds = [tortureFeats]int{8, 4, 6, 6, 2, 8, 4, 8, 8, 4, 12, 1, 1, 1, 1}

// torturer is one process, one life.
type torturer struct {
	c    *testproc.Child
	book *tortureBook
	life int
	rnd  *rand.Rand
	rush bool // small messages only
	qs   [tortureQueues]*tortured
}

// tortured is a queue as a torturer uses it.
type tortured struct {
	*torturer
	q     int
	e     *tortureEntry
	rules tortureRules

	ring *Ring // or
	ch   *Chan[tortureValue]
	p    *Producer
	cons *Consumer

	join int
	sent int
	last map[tortureID]int // per producer: which of its messages was received last
	held bool              // Next has given out a message:
	msg  []byte            // this one
	id   tortureID
	eof  bool
}

// Files: the book, the queues. Args: which life this is, the seed.
var _ = testproc.Helper("torture.torturer", func(c *testproc.Child) {
	t := &torturer{c: c, life: number(c, 0), rnd: rand.New(rand.NewPCG(uint64(number(c, 1)), uint64(number(c, 0))))}
	t.book, _ = mapTortureBook(c, c.Files[0])
	for q := range t.qs {
		t.qs[q] = &tortured{torturer: t, q: q, e: &t.book.lives[t.life].q[q]}
		t.qs[q].open()
	}
	for t.book.stop.Load() == 0 {
		feat := t.pick()
		if t.qs[t.rnd.IntN(tortureQueues)].do(feat) {
			t.book.lives[t.life].passed[feat].Add(1)
		}
	}
	for _, q := range t.qs {
		q.last = nil
		q.leaving()
		if t.rnd.IntN(2) == 0 { // else it just ends
			q.close()
		}
	}
})

func (t *torturer) pick() int {
	for {
		n := t.rnd.IntN(100)
		for feat, odds := range tortureOdds {
			if n -= odds; n < 0 {
				return feat
			}
		}
	}
}

func (t *torturer) soon() (context.Context, context.CancelFunc) {
	most := 500 * time.Microsecond
	if t.rnd.IntN(8) == 0 {
		most *= 10
	}
	return context.WithTimeout(context.Background(), time.Duration(t.rnd.Int64N(int64(most))))
}

func (q *tortured) open() {
	fd, err := unix.FcntlInt(q.c.Files[1+q.q].Fd(), unix.F_DUPFD_CLOEXEC, 0)
	require.NoError(q.c, err)
	f := os.NewFile(uintptr(fd), "queue")
	if q.q == tortureChan {
		q.ch, err = OpenChanFile[tortureValue](f)
	} else {
		q.ring, err = OpenFile(f)
	}
	require.NoError(q.c, err)
	if q.ring != nil {
		q.rules = rulesOf(q.ring)
	}
	q.joined()
}

func rulesOf(r *Ring) tortureRules {
	return tortureRules{held: r.opts.Redeliver || r.opts.Mode == SPSC, marks: r.opts.Redeliver}
}

// joined begins anew with the order.
func (q *tortured) joined() {
	q.join++
	q.last = map[tortureID]int{}
}

func (q *tortured) close() {
	q.p, q.cons = nil, nil
	if q.ch != nil {
		require.NoError(q.c, q.ch.Close())
	} else {
		require.NoError(q.c, q.ring.Close())
	}
}

// leaving notes, before this life leaves as consumer, that what it holds may be
// received again.
func (q *tortured) leaving() {
	if !q.held {
		return
	}
	if hand := q.e.hand.Load(); hand != 0 {
		if q.book.mayComeAgain(hand) {
			q.e.blanks.Add(1)
		}
	}
	q.e.gaveBack.Add(q.e.grabs.Load())
	q.e.hand.Store(0)
	q.e.grabs.Store(0)
	q.held = false
}

// sends says whether err is of a send that did not come about, and fails for others.
func (q *tortured) sends(err error) bool {
	if err == nil {
		return true
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrFull), errors.Is(err, ErrNoConsumer), away(err):
	case errors.Is(err, ErrClosed):
		require.True(q.c, q.ended(), "closed for no reason")
	default:
		require.NoError(q.c, err, "send to queue %d", q.q)
	}
	return false
}

// away says that there is no role to be had.
func away(err error) bool { return errors.Is(err, ErrBusy) || errors.Is(err, ErrTooManyProcesses) }

func (q *tortured) ended() bool {
	if q.ch != nil {
		return q.ch.Stats().Ended
	}
	return q.ring.Stats().Ended
}

// receives is sends for receiving.
func (q *tortured) receives(err error) bool {
	if err == nil {
		return true
	}
	switch {
	case err == io.EOF:
		if q.eof = true; q.ended() {
			q.book.over[q.q].Store(1)
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrEmpty), errors.Is(err, ErrPeerDied), away(err):
	default:
		require.NoError(q.c, err, "receive from queue %d", q.q)
	}
	return false
}

// produces makes this life a producer of the ring, if it can be one.
func (q *tortured) produces() bool {
	if q.p == nil {
		p, err := q.ring.Producer()
		if err != nil {
			require.True(q.c, away(err), "%v", err)
			return false
		}
		q.join++
		q.p = p
	}
	return true
}

func (q *tortured) consumes() bool {
	if q.cons == nil {
		c, err := q.ring.Consumer()
		if err != nil {
			require.True(q.c, away(err), "%v", err)
			return false
		}
		q.joined()
		q.cons = c
	}
	return true
}

// do performs one feat, and says whether it came to a good end.
func (q *tortured) do(feat int) bool {
	ctx, cancel := q.soon()
	defer cancel()
	switch feat {
	case featSend, featTrySend, featSendBatch, featReserve, featAbort:
		if q.ch != nil {
			return q.sendValues(ctx, feat)
		}
		return q.produces() && q.send(ctx, feat)
	case featRecv, featTryRecv, featRecvBatch, featNext, featTryNext:
		if q.ch != nil {
			return q.recvValues(ctx, feat)
		}
		if !q.consumes() {
			return false
		}
		if q.held {
			_, err := q.cons.Next(ctx)
			require.ErrorIs(q.c, err, ErrNotReleased)
			return false
		}
		return q.recv(ctx, feat)
	case featRelease:
		return q.release()
	case featCloseProducer:
		if q.p == nil {
			return false
		}
		require.NoError(q.c, q.p.Close())
		q.p = nil
	case featCloseConsumer:
		if q.cons == nil {
			return false
		}
		q.leaving()
		require.NoError(q.c, q.cons.Close())
		q.cons = nil
	case featReopen:
		q.leaving()
		q.close()
		q.open()
	case featCloseSend:
		return q.book.ending.Load()&(1<<q.q) != 0 && q.closeSend(ctx)
	}
	return true
}

func (q *tortured) closeSend(ctx context.Context) bool {
	if q.ch != nil {
		return q.sends(q.ch.CloseSend(ctx))
	}
	return q.produces() && q.sends(q.p.CloseSend())
}

// begin notes that so many messages may be sent, and returns the ID of the first;
// false if this life has sent enough here.
func (q *tortured) begin(n int) (tortureID, bool) {
	if q.sent+n > tortureMost {
		return 0, false
	}
	q.e.most.Store(max(q.e.most.Load(), uint32(q.sent+n)))
	q.e.begun.Store(uint32(q.sent + n))
	return newTortureID(q.q, q.life, q.join, q.sent), true
}

// done notes that n of them were sent.
func (q *tortured) done(n int) {
	q.sent += n
	q.e.sent.Store(uint32(q.sent))
	q.e.begun.Store(uint32(q.sent))
}

func (q *tortured) send(ctx context.Context, feat int) bool {
	if feat == featSendBatch {
		return q.sendBatch(ctx)
	}
	size := tortureSize(q.rnd, q.rush)
	blank := size < tortureHead
	id, ok := q.begin(1)
	if !ok {
		return false
	}
	if blank {
		q.e.begun.Store(uint32(q.sent))
		q.e.blanksBegun.Add(1)
	}
	var err error
	switch feat {
	case featSend, featTrySend:
		b := make([]byte, size)
		torturePut(b, id, 0)
		if feat == featSend {
			err = q.p.Send(ctx, b)
		} else {
			err = q.p.TrySend(b)
		}
	case featReserve, featAbort:
		var b []byte
		if b, err = q.p.Reserve(ctx, min(size+q.rnd.IntN(100), tortureLargest)); err != nil {
			break
		}
		pause := q.rnd.Uint32N(1000)
		if q.rush {
			pause = 0
		}
		torturePut(b[:size], id, pause)
		if feat == featReserve {
			err = q.p.Commit(size)
			break
		}
		if q.rnd.IntN(2) == 0 { // else whatever comes next drops it
			q.p.Abort()
		}
		err = ErrFull // nothing was sent
	}
	ok = q.sends(err)
	switch {
	case !blank && ok:
		q.done(1)
	case !blank:
		q.done(0)
	case ok:
		q.e.blanksSent.Add(1)
	default:
		q.e.blanksBegun.Add(^uint32(0))
	}
	return ok || feat == featAbort && err == ErrFull
}

func (q *tortured) sendBatch(ctx context.Context) bool {
	n := 1 + q.rnd.IntN(10)
	id, ok := q.begin(n)
	if !ok {
		return false
	}
	batch := make([][]byte, n)
	for i := range batch {
		batch[i] = make([]byte, max(tortureSize(q.rnd, q.rush), tortureHead))
		torturePut(batch[i], id+tortureID(i), 0)
	}
	k, err := q.p.SendBatch(ctx, batch)
	require.True(q.c, k == n || err != nil && k < n, "%d of %d: %v", k, n, err)
	q.done(k)
	return q.sends(err)
}

// note notes that b was received.
func (q *tortured) note(id tortureID, blank, again bool, over uint32) {
	require.Zero(q.c, over, "%v was received after the end of the stream", id)
	if blank {
		q.e.blanksGot.Add(1)
		return
	}
	require.NoError(q.c, q.book.note(id, q.q, again, q.rules))
	if !again {
		from := id &^ 0xfffff
		if last, ok := q.last[from]; ok {
			require.Greater(q.c, id.seq(), last, "%v", id)
		}
		q.last[from] = id.seq()
	}
}

func (q *tortured) get(b []byte) (tortureID, bool) {
	id, blank, err := tortureGet(b)
	require.NoError(q.c, err, "received from queue %d, again: %v", q.q, q.cons.Redelivered())
	return id, blank
}

func (q *tortured) recv(ctx context.Context, feat int) bool {
	n := 1
	bufs := make([][]byte, 1+q.rnd.IntN(10))
	if feat == featRecvBatch {
		n = len(bufs)
	}
	next := feat == featNext || feat == featTryNext
	over := q.book.over[q.q].Load()
	if q.rules.held {
		q.e.grabs.Store(1)
	}
	if !next || !q.rules.held {
		q.e.risk.Store(uint32(n))
	}
	var b []byte
	var err error
	switch feat {
	case featRecv:
		b, err = q.cons.Recv(ctx, nil)
	case featTryRecv:
		b, err = q.cons.TryRecv(nil)
	case featNext:
		b, err = q.cons.Next(ctx)
	case featTryNext:
		b, err = q.cons.TryNext()
	case featRecvBatch:
		n, err = q.cons.RecvBatch(ctx, bufs)
		bufs = bufs[:n]
	}
	if feat != featRecvBatch {
		bufs = [][]byte{b}
	}
	ok := q.receives(err)
	if ok {
		for _, b := range bufs {
			id, blank := q.get(b)
			if next {
				q.held, q.msg, q.id = true, b, id
				if q.rules.held {
					hand := uint64(id) + 1
					if blank {
						hand = tortureHandBlank
					}
					q.e.hand.Store(hand)
				}
			}
			q.note(id, blank, q.cons.Redelivered(), over)
		}
	}
	q.e.risk.Store(0)
	if !q.held {
		q.e.grabs.Store(0)
	}
	return ok
}

func (q *tortured) release() bool {
	if !q.held {
		return false
	}
	id, _ := q.get(q.msg)
	require.Equal(q.c, q.id, id, "it has become another message")
	q.cons.Release()
	q.e.hand.Store(0)
	q.e.grabs.Store(0)
	q.held = false
	return true
}

// sendValues is send for a channel.
func (q *tortured) sendValues(ctx context.Context, feat int) bool {
	n := 1
	if feat == featSendBatch {
		n = 1 + q.rnd.IntN(20)
	} else if feat > featSendBatch {
		return false
	}
	id, ok := q.begin(n)
	if !ok {
		return false
	}
	values := make([]tortureValue, n)
	for i := range values {
		values[i] = newTortureValue(id + tortureID(i))
	}
	k, err := 1, error(nil)
	switch feat {
	case featSend:
		err = q.ch.Send(ctx, values[0])
	case featTrySend:
		err = q.ch.TrySend(values[0])
	case featSendBatch:
		k, err = q.ch.SendBatch(ctx, values)
		require.True(q.c, k == n || err != nil && k < n, "%d of %d: %v", k, n, err)
	}
	if err != nil && feat != featSendBatch {
		k = 0
	}
	q.done(k)
	return q.sends(err)
}

func (q *tortured) recvValues(ctx context.Context, feat int) bool {
	values := make([]tortureValue, 1+q.rnd.IntN(20))
	n := 1
	if feat == featRecvBatch {
		n = len(values)
	} else if feat > featRecvBatch {
		return false
	}
	over := q.book.over[q.q].Load()
	q.e.risk.Store(uint32(n))
	var err error
	switch feat {
	case featRecv:
		values[0], err = q.ch.Recv(ctx)
	case featTryRecv:
		values[0], err = q.ch.TryRecv()
	case featRecvBatch:
		n, err = q.ch.RecvBatch(ctx, values)
	}
	ok := q.receives(err)
	if ok {
		for _, v := range values[:n] {
			require.NoError(q.c, v.check())
			q.note(v.id, false, false, over)
		}
	}
	q.e.risk.Store(0)
	return ok
}
