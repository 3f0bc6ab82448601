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
	jobUncontended = "uncontended" // one process locks and unlocks
	jobContended   = "contended"   // two processes do
	jobHandOver    = "hand-over"   // two processes do, and see who gets it when
	jobOne         = "one"         // one goroutine on one lock
	jobTwo         = "two"         // two goroutines, each on a lock of its own
	jobAllocations = "allocations" // allocations of uncontended operations
	jobSystemCalls = "syscalls"    // system calls of uncontended operations

	jobHandOverFour = "hand-over-of-four"
)

// sides returns how many processes do the job.
func sides(job string) int {
	switch job {
	case jobLatency, jobThroughput, jobBatch, jobZeroCopy, jobContended, jobHandOver:
		return 2
	case jobHandOverFour:
		return 4
	}
	return 1
}

// Sizes of rings: equal for all who have one.
const (
	ringBytes = 1 << 20 // byte rings
	ringSlots = 4096    // rings of fixed slots
	batchSize = 64      // messages a batch
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
