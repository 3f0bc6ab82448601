package pool

import (
	"sync"
	"time"

	"github.com/shmkit/shmkit/proc"
)

// A batch is tasks of one kind that go to a worker in one message.
//
// Tasks end in order. Where a batch is, is one of: in the queue; under way, in the place
// seq of worker w; over. It moves under core.mu. While it is under way, next belongs to
// who reads the worker's answers (worker.rx), and otherwise to core.mu.
type batch struct {
	name    string
	stride  int      // length of each argument, or -1
	flat    []byte   // all arguments, where they have one length
	parts   [][]byte // otherwise
	cargo   any      // the only argument, if it travels beside the ring
	n       int      // number of tasks
	load    load
	timeout time.Duration
	retries int
	timed   bool // load wants to know how long the batch took

	next      int // tasks before it have ended
	began     int // the first task of what is under way
	until     int // behind the last one
	tries     int // how often task next has been tried in vain
	where     whereabouts
	w         *worker
	seq       uint64
	room      int      // what the message takes in the ring
	cancelled bool     // cancelled before it began
	fetched   []*fetch // results beside the ring
	fetching  sync.WaitGroup
	told      uint64 // seq, when its worker was told that it is cancelled
	seen      uint64 // seq, when overlook saw it wait
	heavy     bool   // it was sent by a goroutine of its own, which may look at it for a while
	late      bool   // there are results that are read when it is over
	reading   bool   // it is over, but for these
	unwanted  error  // it was cancelled while a worker had it, and is not to be run again
}

type whereabouts int

const (
	queued whereabouts = iota
	underWay
	over
)

// A load is where the results of a batch go. Its methods are called by one goroutine at a
// time, and finish last.
type load interface {
	// value takes the result of task i: its bytes, or what comes from side, which may be
	// while another goroutine calls other methods. An error says that it cannot be decoded.
	value(i int, body []byte, side *proc.Conn) error
	fail(i int, err error)
	// run takes the results of n tasks from i on that lie side by side. It returns false,
	// and takes none, if that cannot be.
	run(i, n int, bodies []byte) bool
	width() int // of a result in a tray
	finish(b *batch)
	took(n int, d time.Duration)
}

// args returns the arguments of tasks from until to.
func (b *batch) args(from, to int) (flat []byte, parts [][]byte) {
	if b.stride >= 0 {
		return b.flat[from*b.stride : to*b.stride], nil
	}
	return nil, b.parts[from:to]
}

// size is the length of the message with the tasks from until to.
func (b *batch) size(from, to int) int {
	n := batchHeader + len(b.name)
	if b.cargo != nil {
		return n
	}
	if b.stride >= 0 {
		return n + (to-from)*b.stride
	}
	for _, p := range b.parts[from:to] {
		n += 8 + len(p)
	}
	return n
}

// put writes the message into room.
func (b *batch) put(room []byte) {
	f := batchFrame{seq: b.seq, timeout: b.timeout, first: b.next, count: b.until - b.next, stride: b.stride, name: b.name}
	if b.cargo != nil {
		f.cargo = true
		f.put(room, nil, nil)
		return
	}
	flat, parts := b.args(b.next, b.until)
	f.put(room, flat, parts)
}

// failRest ends all tasks that have not ended.
func (b *batch) failRest(err error) {
	for ; b.next < b.n; b.next++ {
		b.load.fail(b.next, err)
	}
}

// recordSize is what a message of n bytes takes in a ring.
func recordSize(n int) int { return (n + 15) &^ 7 }
