//go:build !explore

package ringbuf

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
)

// In a relay nobody dies and every call waits for as long as it takes. The look is
// switched off: a wake that is lost is made up for by nobody, and the relay hangs.

const (
	relayMessages = 150   // of each producer in each queue
	rushMessages  = 15000 // if they are small and nobody pauses
	relaySenders  = 2     // goroutines of each process that send into the channel, and receive
)

// blind switches the look off.
func (q *tortured) blind() {
	never := func() bool { return false }
	switch {
	case q.ch != nil:
		q.ch.many.send.gone, q.ch.many.recv.gone = never, never
	case q.ring.opts.Mode != SPSC:
		if q.p != nil {
			q.p.lane.gone = never
		}
		if q.cons != nil {
			q.cons.lane.gone = never
		}
	default:
		if q.p != nil {
			q.p.gone = never
		}
		if q.cons != nil {
			q.cons.gone = never
		}
	}
}

// Files: the book, the queues. Args: which of them this is, the seed, whether there is a
// rush.
var _ = testproc.Helper("torture.relay", func(c *testproc.Child) {
	book, _ := mapTortureBook(c, c.Files[0])
	var all sync.WaitGroup
	n := 0
	// each starts a goroutine that has a queue of its own, or shares the channel ch.
	each := func(i int, from *tortured, run func(q *tortured)) {
		life := relaySenders*number(c, 0) + n%relaySenders
		t := &torturer{c: c, book: book, life: life, rnd: rand.New(rand.NewPCG(uint64(number(c, 1)), uint64(100*life+n))), rush: c.Args[2] == "rush"}
		n++
		q := &tortured{torturer: t, q: i, e: &book.lives[life].q[i], ch: from.ch}
		if q.ch == nil {
			q.open()
		}
		q.joined()
		all.Go(func() { run(q) })
	}
	for i := range tortureChan {
		each(i, &tortured{}, (*tortured).relaySend)
		each(i, &tortured{}, (*tortured).relayReceive)
	}
	shared := &tortured{torturer: &torturer{c: c}, q: tortureChan}
	shared.open()
	shared.blind()
	for range relaySenders {
		each(tortureChan, shared, (*tortured).relaySend)
	}
	for range relaySenders {
		each(tortureChan, shared, (*tortured).relayReceive)
	}
	all.Wait()
	shared.close()
})

var relayFeats = map[bool][]int{
	true:  {featSend, featSend, featTrySend, featSendBatch, featReserve, featAbort},
	false: {featRecv, featRecv, featTryRecv, featRecvBatch, featNext, featNext},
}

func (q *tortured) relayFeat(send bool) int {
	if !q.rush && q.rnd.IntN(8) == 0 {
		time.Sleep(time.Duration(q.rnd.IntN(300)) * time.Microsecond) // sleep: so that others come to wait
	}
	return relayFeats[send][q.rnd.IntN(len(relayFeats[send]))]
}

func (q *tortured) relaySend() {
	ctx := context.Background()
	most := relayMessages
	if q.rush {
		most = rushMessages
	}
	if q.ch != nil {
		for ok := true; ok && q.sent < most; {
			feat := q.relayFeat(true)
			ok = q.sendValues(ctx, feat) || feat != featSend // else it has no role
		}
		q.book.relayed.Add(1)
		for !q.book.allRelayed() {
			time.Sleep(time.Millisecond) // sleep: between two looks at what other processes write
		}
		q.sends(q.ch.CloseSend(ctx))
		return
	}
	defer q.book.relayed.Add(1)
	if q.produces() {
		q.blind()
		for q.sent < most {
			q.send(ctx, q.relayFeat(true))
		}
	}
	q.close()
}

func (q *tortured) relayReceive() {
	ctx := context.Background()
	if q.ch != nil {
		for !q.eof {
			if feat := q.relayFeat(false); !q.recvValues(ctx, feat) && feat == featRecv {
				return
			}
		}
		return
	}
	if q.consumes() {
		q.blind()
		for !q.eof {
			q.recv(ctx, q.relayFeat(false))
			if !q.rush {
				mem.Pause(q.rnd.Uint32N(1000))
			}
			q.release()
		}
	}
	q.close()
}

// allRelayed says whether every sender of the relay has finished.
func (b *tortureBook) allRelayed() bool {
	return b.relayed.Load() == torturers*(tortureChan+relaySenders)
}

// relay is an epoch.
func (e *tortureRack) relay(how string) (received int) {
	t := e.t
	for i := range e.procs {
		with := []testproc.Option{testproc.Files(e.files...), testproc.Args(strconv.Itoa(i), strconv.Itoa(e.rnd.IntN(1<<30)), how)}
		if e.armed[i] = e.rnd.IntN(2) == 0; e.armed[i] {
			with = e.arm(with, e.rnd.IntN(12), true)
		}
		e.procs[i] = testproc.Start(t, "torture.relay", with...)
	}
	e.stopping(e.book.allRelayed)
	for _, r := range e.rings {
		p := producer(t, r)
		require.NoError(t, p.CloseSend())
		require.NoError(t, p.Close())
	}
	e.stopping(func() bool {
		for _, p := range e.procs {
			if !ended(p) {
				return false
			}
		}
		return true
	})
	for _, p := range e.procs {
		p.Succeed()
	}
	for life := range e.book.lives {
		for q := range e.price {
			received += int(e.book.lives[life].q[q].sent.Load())
		}
	}
	return received
}

// stopping stops processes and lets them go on, until done.
func (e *tortureRack) stopping(done func() bool) {
	for begin := time.Now(); !done(); {
		time.Sleep(time.Duration(1+e.rnd.IntN(5)) * time.Millisecond) // sleep: the relay's time
		i := e.rnd.IntN(torturers)
		p := e.procs[i]
		if e.armed[i] {
			p.Cont()
		} else if e.rnd.IntN(2) == 0 && !ended(p) && p.Stop() {
			e.stops++
			time.Sleep(time.Duration(e.rnd.IntN(5)) * time.Millisecond) // sleep: the others' time
			p.Cont()
		}
		if ended(p) {
			p.Succeed()
		}
		if time.Since(begin) > testproc.Watchdog {
			for _, p := range e.procs {
				p.Cont()
				_ = p.Cmd.Process.Signal(unix.SIGQUIT)
				p.Wait()
			}
			require.Fail(e.t, "the relay hangs", "%d producers of all have finished; stacks are below", e.book.relayed.Load())
		}
	}
}

func tortureRelay(t *testing.T, rnd *rand.Rand, how string) int {
	e := newTortureEpoch(t, rnd, func(o *Options) {
		o.OnPeerDeath = Wait // so that nothing but CloseSend is an end
		if o.Strategy == Spin {
			o.Strategy = Hybrid // so that they sleep
		}
	})
	e.exact = true
	n := e.relay(how)
	e.settle()
	return n
}
