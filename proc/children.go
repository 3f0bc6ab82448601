package proc

import (
	"slices"
	"sync"
)

// children are the processes that this one has started and that have not ended,
// in the order of their start.
var children struct {
	sync.Mutex
	list []*Process
}

// Children returns the children of this process that are alive, oldest first.
func Children() []*Process {
	children.Lock()
	defer children.Unlock()
	return slices.Clone(children.list)
}

func rememberChild(p *Process) {
	children.Lock()
	defer children.Unlock()
	children.list = append(children.list, p)
}

func forgetChild(p *Process) {
	children.Lock()
	defer children.Unlock()
	if i := slices.Index(children.list, p); i >= 0 {
		children.list = slices.Delete(children.list, i, i+1)
	}
}
