package main

import "github.com/shmkit/shmkit/ringbuf"

// pairs are the contenders in Go by name: a peer process finds its own here.
var pairs = map[string]*pair{}

func add(p *pair) *pair {
	pairs[p.name] = p
	return p
}

var (
	cFlag  = inC{"flag"}
	cFutex = inC{"futex"}
	cSPSC  = inC{"spsc"}
	cCopy  = inC{"copy"}
	cMutex = inC{"mutex"}

	osPipe       = add(streamPair("os.Pipe", pipes, overPipe(false)))
	osPipePolled = add(streamPair("os.Pipe polled", pipes, overPipe(true)))
	unixSocket   = add(streamPair("Unix socket", sockets, overSocket))
	ringSpin     = add(ringPair("ring spin", ringbuf.Spin))
	ringHybrid   = add(ringPair("ring hybrid", ringbuf.Hybrid))
	ringBlock    = add(ringPair("ring block", ringbuf.Block))
	chanHybrid   = add(chanPair("Chan", ringbuf.Hybrid))
	chanSpin     = add(chanPair("Chan spin", ringbuf.Spin))
	mutex        = add(mutexPair)
	syncMutex    = add(&pair{name: "sync.Mutex", a: lockLoop(syncLoop).alone})
)
