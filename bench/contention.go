package main

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// opsPerLook is how many operations pass before a contending side looks at
// the clock and at the stop flag; locks.h has the same number.
const opsPerLook = 256

// part is what one contending side leaves.
type part struct {
	ended   atomic.Uint32
	ops     int64
	longest time.Duration // its longest wait
	_       [128]byte
}

// turns tells how often the same side got the lock in a row.
type turns struct {
	last            uint32 // its part, from 1
	row, longestRow int64
}

func (t *turns) count(side uint32) {
	if t.last != side {
		t.last, t.row = side, 0
	}
	t.row++
	t.longestRow = max(t.longestRow, t.row)
}

// contend runs operations until a side's deadline has come.
func (m *meeting) contend(run func(n int) error, deadline time.Time) error {
	mine := &m.parts[m.taken.Add(1)-1]
	ops := int64(0)
	for m.stop.Load() == 0 {
		if err := run(opsPerLook); err != nil {
			return err
		}
		ops += opsPerLook
		if !time.Now().Before(deadline) {
			m.stop.Store(1)
		}
	}
	mine.ops = ops
	mine.ended.Store(1)
	return nil
}

// handOver is contend that sees who gets the lock when.
func (m *meeting) handOver(take func() error, give func() error, deadline time.Time) error {
	side := m.taken.Add(1)
	mine := &m.parts[side-1]
	ops, longest := int64(0), time.Duration(0)
	start := time.Now()
	end := deadline.Sub(start)
	for m.stop.Load() == 0 {
		before := time.Since(start)
		if err := take(); err != nil {
			return err
		}
		got := time.Since(start)
		m.counter++
		m.turns.count(side)
		if err := give(); err != nil {
			return err
		}
		ops++
		longest = max(longest, got-before)
		if got >= end {
			m.stop.Store(1)
		}
	}
	mine.ops, mine.longest = ops, longest
	mine.ended.Store(1)
	return nil
}

// Figures of contention, by the names that locks.h has.
const (
	lessShare   = "share" // of the side with fewer operations: of two
	longestWait = "wait"  // ns
	jainIndex   = "jain"
	leastToMost = "least"
	longestRow  = "row"
)

var errMiscounted = errors.New("the counter under the lock is wrong")

// sum waits for all sides and adds up what they did. Where holders do not
// exclude each other nothing was counted under the lock.
func (m *meeting) sum(o *order, elapsed time.Duration, shared bool) (*outcome, error) {
	all := make([]float64, sides(o.Job))
	out := &outcome{elapsed: elapsed}
	longest := time.Duration(0)
	for i := range all {
		p := &m.parts[i]
		for p.ended.Load() == 0 {
			runtime.Gosched()
		}
		all[i] = float64(p.ops)
		out.ops += p.ops
		longest = max(longest, p.longest)
	}
	if !shared && m.counter != uint64(out.ops) {
		return nil, fmt.Errorf("%w: %d of %d", errMiscounted, m.counter, out.ops)
	}
	f := fairnessOf(all)
	out.extra = map[string]float64{lessShare: f.share, longestWait: float64(longest), jainIndex: f.jain,
		leastToMost: f.least, longestRow: float64(m.turns.longestRow)}
	return out, nil
}
