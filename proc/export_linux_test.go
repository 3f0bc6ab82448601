package proc

import "testing"

// RefusePidFDs runs the rest of the test as if the kernel had no pidfds.
func RefusePidFDs(t *testing.T) {
	refusePidFDs = true
	t.Cleanup(func() { refusePidFDs = false })
}

// ControlEnv is the variable that must never reach a grandchild.
const ControlEnv = controlEnv

// NotOurs returns a process whose status the kernel does not give to us: there is
// none of that number.
func NotOurs() *Process {
	p := &Process{pid: 1 << 30, name: "not ours", end: newEnding()}
	if p.reap() {
		p.end.come()
	}
	return p
}

// What Wait waits for.
var (
	PIDFile       = (*Process).pidFile
	ParentPIDFile = (*ParentProcess).pidFile
)

// HandlesEnv is the variable that Passed reads.
const HandlesEnv = handlesEnv
