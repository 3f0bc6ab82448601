package main

import (
	"context"
	"time"
)

// A job is what a contender does in one trial.
const (
	jobLatency     = "latency"     // messages there and back, one at a time
	jobThroughput  = "throughput"  // messages one way, as fast as they go
	jobBatch       = "batch"       // the same, many a call
	jobZeroCopy    = "zero copy"   // the same, built and read in place
	jobLoaned      = "loaned"      // there and back in place, the message left as it is
	jobMPMC        = "mpmc"        // one way: two send, two receive
	jobMPSC        = "mpsc"        // two send, one receives
	jobSPMC        = "spmc"        // one sends, two receive
	jobUncontended = "uncontended" // one process locks and unlocks
	jobContended   = "contended"   // two processes do
	jobHandOver    = "hand-over"   // two processes do, and see who gets it when
	jobOne         = "one"         // one goroutine on one lock
	jobTwo         = "two"         // two goroutines, each on a lock of its own
	jobAllocations = "allocations" // allocations of uncontended operations
	jobSystemCalls = "syscalls"    // system calls of uncontended operations
	jobFour        = "four"        // four clients of one server
	jobStart       = "start"       // one process starts others, one after the other

	jobThroughputAlone = "tasks" // one process gives tasks to workers that it starts itself

	jobHandOverFour = "hand-over-of-four"
)

// sides returns how many processes do the job.
func sides(job string) int {
	switch job {
	case jobLatency, jobThroughput, jobBatch, jobZeroCopy, jobLoaned, jobContended, jobHandOver, jobFour:
		return 2
	case jobHandOverFour:
		return 4
	case jobMPMC, jobMPSC, jobSPMC:
		producers, consumers := ends(job)
		return producers + consumers
	}
	return 1
}

// ends returns how many processes send and how many receive in a job of several.
func ends(job string) (producers, consumers int) {
	switch job {
	case jobMPSC:
		return 2, 1
	case jobSPMC:
		return 1, 2
	}
	return 2, 2
}

// Sizes of rings: equal for all who have one.
const (
	ringBytes   = 1 << 20 // byte rings
	loanedBytes = 4 << 20 // those of the job loaned
	ringSlots   = 4096    // rings of fixed slots
	batchSize   = 64      // messages a batch
)

// watchdog ends a trial that hangs.
const watchdog = time.Minute

// trial is one measurement of one contender.
type trial struct {
	job    string
	size   int // bytes a message
	place  placement
	timing timing
}

// contender is somebody to measure.
type contender interface {
	// missing says why this machine cannot run it; "" if it can.
	missing(r *rig) string
	// run measures once; on return nothing of it runs or exists any more.
	run(ctx context.Context, r *rig, t trial) (*outcome, error)
}

// sized is a contender that works with messages of a size of its own.
type sized struct {
	contender
	size int
}

func (s sized) run(ctx context.Context, r *rig, t trial) (*outcome, error) {
	t.size = s.size
	return s.contender.run(ctx, r, t)
}
