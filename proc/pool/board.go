package pool

import (
	"context"
	"errors"
	"runtime"
	"structs"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/shm"
)

// The board is what a pool and its workers share besides the rings: a desk for each
// worker, and the bell, on which the pool sleeps. Messages lie in the rings; the board
// says which batch a worker has begun, and that there is something to fetch.
//
// # Places
//
// A batch is a message with tasks of one kind, numbered (seq) from 1 on for each desk.
// Its state is in place seq % places of the desk, in one word:
//
//	seq << 24 | index << 2 | state
//
//	state    who stores it
//	ready    the pool, before it publishes the batch
//	revoked  the pool, by CAS from ready: the batch was cancelled, or goes to another
//	         worker; this one skips it
//	running  the worker, by CAS from ready: task index has begun; then, by plain
//	         stores, for each of the following tasks
//
// So whether a batch is the pool's or the worker's is decided by one CAS. Nobody but
// the worker changes a running place; results lie in the ring, in order. When a worker
// has died, and its last thread has ended, the pool fetches the results that it
// published: if r of a batch's tasks have ended and the place says running with index
// r, then task r is the one that ran. If it says less, ready or index r-1, death came
// between two tasks, and nobody's. All the rest goes to other workers.
//
// # The tray
//
// Small results without pointers are not published one by one. They are put side by side
// in the desk's tray, and published together when the tray is full, or the batch at its
// end. A result is in the tray before the place says that the next task has begun; so if
// r of a batch's tasks have been answered for and the place says that task i > r runs, the
// results of r to i-1 are the first of the tray. (Once they are published, the tray's first
// is the next one's; the place says that that one runs before it can end.)
//
// A place is used again when the worker has answered for the batch that had it, with
// its last result or by saying that it skipped it: the answer is published behind the
// worker's last access.
//
// # The bell
//
// A worker that has published results sets rung in its desk and wakes the pool if that
// sleeps; the pool clears rung and then empties the ring. Both orders matter:
//
//	worker: publish results   pool: store asleep
//	        store rung              load rung      (of all desks)
//	        load asleep             sleep while asleep
//
// All of them are sequentially consistent, so if the pool does not see rung, the worker
// sees asleep. The wake clears asleep in the same system call (FUTEX_WAKE_OP). A worker
// that is killed before it rings is heard through its death. One that is stopped there
// delays its own results until it goes on; the look, which reads rung, finds what was
// set without a wake.
//
// # Trust
//
// A faulty worker can write anything here. It can make the pool believe that another
// task of its own was the one that ran, or keep it from sleeping; no index from here is
// used for anything but a comparison.

// places is how many batches a worker has at a time.
const places = 256

const (
	stateReady = 1 + iota
	stateRevoked
	stateRunning

	stateBits = 2
	seqShift  = 24
	maxTasks  = 1<<(seqShift-stateBits) - 1 // in a batch
)

func placeWord(seq uint64, index int, state uint64) uint64 {
	return seq<<seqShift | uint64(index)<<stateBits | state
}

// desk is one worker's part of the board.
//
//	off size field    written by
//	  0    4 rung     worker sets, pool clears
//	  4    4 verdict  worker: why it leaves in the middle of a task
//	128    4 awake    worker: it runs a task, or spins; the pool clears it
//	256 2048 place    both, see above
//	2304 4096 tray     worker
type desk struct {
	_       structs.HostLayout
	rung    mem.Uint32
	verdict mem.Uint32
	_       [mem.Line - 8]byte
	awake   mem.Uint32
	_       [mem.Line - 4]byte
	place   [places]mem.Uint64
	tray    [trayBytes]byte
}

// trayBytes is the size of a tray; results of at most mostTray bytes go there.
const (
	trayBytes = 4096
	mostTray  = 256
)

// Verdicts.
const (
	verdictNone    = iota
	verdictTimeout // the task's time was up, and the time of grace too
	verdictCancel  // the task was cancelled, likewise
)

// begin makes the worker the owner of the batch, with task index as the one that runs.
func (d *desk) begin(seq uint64, index int) bool {
	ok := d.place[seq%places].CompareAndSwap(placeWord(seq, 0, stateReady), placeWord(seq, index, stateRunning))
	crashpoint.Hit("pool.begun")
	return ok
}

// next says that the worker runs task index now.
func (d *desk) next(seq uint64, index int) {
	d.place[seq%places].StoreRelease(placeWord(seq, index, stateRunning))
}

// offer is the pool's first word on a batch.
func (d *desk) offer(seq uint64) { d.place[seq%places].Store(placeWord(seq, 0, stateReady)) }

// revoke takes a batch back, unless the worker has begun it.
func (d *desk) revoke(seq uint64) bool {
	return d.place[seq%places].CompareAndSwap(placeWord(seq, 0, stateReady), placeWord(seq, 0, stateRevoked))
}

// running says which task of the batch has begun, if one has.
func (d *desk) running(seq uint64) (index int, ok bool) {
	w := d.place[seq%places].Load()
	return int(w >> stateBits & maxTasks), w>>seqShift == seq<<seqShift>>seqShift && w&(1<<stateBits-1) == stateRunning
}

// inTray returns the first n results of a size in the tray, nil if it cannot hold them.
func (d *desk) inTray(n, size int) []byte {
	if n*size > trayBytes {
		return nil
	}
	return d.tray[:n*size]
}

// reset makes the desk one that nobody has used.
func (d *desk) reset() {
	d.rung.Store(0)
	d.verdict.Store(verdictNone)
	d.awake.Store(0)
	for i := range d.place {
		d.place[i].Store(0)
	}
}

// bell is where the pool sleeps.
type bell struct {
	_      structs.HostLayout
	asleep mem.Uint32 // 1 while the pool sleeps or is about to
	_      [mem.Line - 4]byte
	awake  mem.Uint32 // the pool's collector works or spins
}

// board is one process's view of it.
type board struct {
	bells *shm.Object[bell]
	all   *shm.Array[desk]

	bell  *bell
	desks []desk
	most  int // how many may be awake at once
}

func newBoard(workers int) (*board, error) {
	bells, err := shm.NewObject[bell]("", nil)
	if err != nil {
		return nil, err
	}
	all, err := shm.NewArray[desk]("", workers, nil)
	if err != nil {
		return nil, errors.Join(err, bells.Close())
	}
	return boardOf(bells, all), nil
}

func boardOf(bells *shm.Object[bell], all *shm.Array[desk]) *board {
	return &board{
		bells: bells, all: all, bell: bells.Ptr(), desks: all.Slice(),
		most: min(runtime.GOMAXPROCS(0), runtime.NumCPU()),
	}
}

func (b *board) close() error { return errors.Join(b.bells.Close(), b.all.Close()) }

// ring tells the pool that the desk's results are there.
func (b *board) ring(d *desk) {
	d.rung.Store(1) // release: rung
	crashpoint.Hit("pool.rung")
	b.wake()
}

// wake wakes the pool.
func (b *board) wake() {
	if b.bell.asleep.Load() != 0 {
		_ = futex.WakeClear(&b.bell.asleep)
	}
}

// anyRung says whether there is something to fetch.
func (b *board) anyRung() bool {
	for i := range b.desks {
		if b.desks[i].rung.Load() != 0 {
			return true
		}
	}
	return false
}

// sleep sleeps until somebody rings, or for no reason. poked is set before wake by those
// in this process who want it to end.
func (b *board) sleep(poked *atomic.Bool) {
	b.bell.asleep.Store(1)
	if b.anyRung() || poked.Swap(false) {
		b.bell.asleep.Store(0)
		return
	}
	b.bell.awake.Store(0)
	_ = futex.Sleep(context.Background(), &b.bell.asleep, 1, b.anyRung)
	b.bell.asleep.Store(0)
	b.bell.awake.Store(1)
}

// crowded says whether the pool and its workers keep all processors busy, so that who
// spins would only be in the way. Whoever asks counts itself.
func (b *board) crowded(most int) bool {
	n := int(b.bell.awake.Load())
	for i := range b.desks {
		if n > most {
			break
		}
		n += int(b.desks[i].awake.Load() & 1)
	}
	return n > most
}

// spin waits for ready for as long as that has paid lately, while a processor is idle.
func (b *board) spin(s *futex.Spinner, ready func() bool) bool {
	rounds := s.Rounds()
	for i := range rounds {
		if ready() {
			s.Won()
			return true
		}
		if i%64 == 0 && b.crowded(b.most) {
			return false
		}
		mem.Pause(1)
	}
	return false
}
