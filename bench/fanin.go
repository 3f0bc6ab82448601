package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"time"
)

// fan is what the processes of a fan-in or fan-out share besides the queue. All
// consumers count for as long as one of them finds that the run lasts.
type fan struct {
	phase atomic.Uint32 // warmingUp, counting, over
	ended atomic.Uint32 // producers that have
	_     [128]byte
	sides [4]tally // consumers first
}

// tally is what one side leaves.
type tally struct {
	ended          atomic.Uint32
	counted        int64         // received in the run
	elapsed        time.Duration // how long the run was for this side
	sent, received uint64
	sums           [2]uint64 // of the numbers received, by producer
	_              [128]byte
}

// Phases of a fan.
const (
	warmingUp = iota
	counting
	over
)

// item is the first word of what producer p sends as its number-th.
func item(p int, number uint64) uint64 { return number<<1 | uint64(p) }

// produce sends until the run is over. The last of all producers ends the
// stream.
func (f *fan) produce(o *order, send func(n int) (sent uint64, err error), endStream func() error) error {
	producers, _ := ends(o.Job)
	mine := &f.sides[o.Number]
	for f.phase.Load() != over {
		sent, err := send(opsPerLook)
		if err != nil {
			return err
		}
		mine.sent = sent
	}
	mine.ended.Store(1)
	if int(f.ended.Add(1)) < producers {
		return nil
	}
	return endStream()
}

// consume receives until the stream ends, and checks that the numbers of each
// producer rise.
func (f *fan) consume(o *order, receive func(n int, r *receipt) error) error {
	r := &receipt{fan: f, timing: o.Timing, since: time.Now()}
	for {
		err := receive(opsPerLook, r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		r.look()
	}
	mine := &f.sides[o.Number]
	mine.counted, mine.elapsed, mine.received, mine.sums = r.counted, r.elapsed, r.n, r.sums
	mine.ended.Store(1)
	return nil
}

// receipt is what one consumer has received.
type receipt struct {
	fan        *fan
	timing     timing
	last, sums [2]uint64 // by producer
	n          uint64

	since   time.Time // when the warm-up or the run began
	began   bool      // the run
	before  uint64    // received before the run
	counted int64
	elapsed time.Duration // 0 until the run is over
}

func (r *receipt) add(item uint64) error {
	p, number := item&1, item>>1
	if number <= r.last[p] {
		return fmt.Errorf("item %d of producer %d came after its item %d", number, p, r.last[p])
	}
	r.last[p] = number
	r.sums[p] += number
	r.n++
	return nil
}

// look sees what time it is: for itself, and by the others.
func (r *receipt) look() {
	now := time.Now()
	phase := r.fan.phase.Load()
	if phase == warmingUp && now.Sub(r.since) >= r.timing.Warm {
		r.fan.phase.CompareAndSwap(warmingUp, counting)
		phase = r.fan.phase.Load()
	}
	switch {
	case phase == counting && !r.began:
		r.began, r.before, r.since = true, r.n, now
		return
	case phase == counting && now.Sub(r.since) >= r.timing.Run:
		r.fan.phase.Store(over)
		phase = over
	}
	if phase == over && r.began && r.elapsed == 0 {
		r.counted, r.elapsed = int64(r.n-r.before), now.Sub(r.since)
	}
}

var errLost = errors.New("items were lost, or came twice")

// sum waits for all sides, checks that everything has arrived once and adds up
// what was received in the run.
func (f *fan) sum(o *order) (*outcome, error) {
	producers, consumers := ends(o.Job)
	out := &outcome{}
	var sent, received uint64
	var sums [2]uint64
	for i := range producers + consumers {
		t := &f.sides[i]
		for t.ended.Load() == 0 {
			runtime.Gosched()
		}
		out.ops += t.counted
		out.elapsed = max(out.elapsed, t.elapsed)
		sent += t.sent
		received += t.received
		for p := range sums {
			sums[p] += t.sums[p]
		}
	}
	for p := range producers {
		n := f.sides[consumers+p].sent
		if sums[p] != n*(n+1)/2 {
			return nil, fmt.Errorf("%w: %d of %d", errLost, received, sent)
		}
	}
	if received != sent {
		return nil, fmt.Errorf("%w: %d of %d", errLost, received, sent)
	}
	return out, nil
}
