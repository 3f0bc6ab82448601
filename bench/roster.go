package main

import (
	"runtime"

	"github.com/shmkit/shmkit/proc/pool"
	"github.com/shmkit/shmkit/ringbuf"
)

// pairs are the contenders in Go by name: a peer process finds its own here.
var pairs = map[string]*pair{}

func add(p *pair) *pair {
	pairs[p.name] = p
	return p
}

var (
	cFlag       = inC{program: "flag"}
	cFutex      = inC{program: "futex"}
	cSPSC       = inC{program: "spsc"}
	cCopy       = inC{program: "copy"}
	cVyukov     = inC{program: "vyukov"}
	cMutex      = inC{program: "mutex"}
	cSem        = inC{program: "sem"}
	cRWLock     = inC{program: "rwlock"}
	cBarrier    = inC{program: "barrier"}
	cCond       = inC{program: "cond"}
	cCondLocked = inC{program: "cond", mode: "under"}

	pythonWith  = inPython{&pythonLock, "with"}
	pythonCalls = inPython{&pythonLock, "calls"}

	pythonQueueRate = inPython{&pythonProcesses, "queue-rate"}
	pythonJoinRate  = inPython{&pythonProcesses, "join-rate"}
	pythonQueueTrip = inPython{&pythonProcesses, "queue-trip"}
	pythonPipeTrip  = inPython{&pythonProcesses, "pipe-trip"}
	pythonPipeBytes = inPython{&pythonProcesses, "pipe-bytes"}
	pythonSpawn     = inPython{&pythonProcesses, "spawn"}
	pythonPoolMap   = inPython{&pythonPool, "map"}
	pythonPoolOnes  = inPython{&pythonPool, "map-one"}
	pythonPoolApply = inPython{&pythonPool, "apply"}
	pythonPoolLarge = inPython{&pythonPool, "large"}

	pythonDict     = inPython{&pythonManager, "dict"}
	pythonDictFour = inPython{&pythonManager, "four"}
	pythonDictMade = inPython{&pythonManager, "make"}

	osPipe        = add(streamPair("os.Pipe", pipes, overPipe(false)))
	osPipePolled  = add(streamPair("os.Pipe polled", pipes, overPipe(true)))
	unixSocket    = add(streamPair("Unix socket", sockets, overSocket))
	ringSpin      = add(ringPair("ring spin", ringbuf.Spin))
	ringHybrid    = add(ringPair("ring hybrid", ringbuf.Hybrid))
	ringBlock     = add(ringPair("ring block", ringbuf.Block))
	chanHybrid    = add(chanPair("Chan", ringbuf.Hybrid))
	chanSpin      = add(chanPair("Chan spin", ringbuf.Spin))
	manyRing      = add(fanRing("ring, many", ringbuf.Hybrid, false))
	manySpin      = add(fanRing("ring, many, spin", ringbuf.Spin, false))
	manyBatch     = add(fanRing("ring, many, batch", ringbuf.Hybrid, true))
	manyChan      = add(fanChan)
	mutex         = add(mutexPair)
	permits       = add(semaphorePair)
	reader        = add(readerPair)
	event         = add(eventPair)
	cond          = add(condPair("Cond", false))
	condLocked    = add(condPair("Cond, signal under lock", true))
	barrier       = add(barrierPair)
	call          = add(newCallPair("Call", 1))
	callTwice     = add(newCallPair("two Calls", 2))
	syncMutex     = add(&pair{name: "sync.Mutex", a: lockLoop(syncMutexLoop).alone})
	syncRWMutex   = add(&pair{name: "sync.RWMutex", a: lockLoop(syncRWMutexLoop).alone})
	queueWords    = add(lineOfQueue[uint64]("Queue of words", ringBytes).pair())
	queueGrows    = add(lineOfQueue[uint64]("Queue of words, unbounded", 0).pair())
	chanWords     = add(lineOfChan[uint64]("Chan of words").pair())
	joinWords     = add(lineOfJoinable[uint64]("JoinableQueue of words").pair())
	queueTasks    = add(lineOfQueue[task]("Queue of tasks", ringBytes).pair())
	connTasks     = add(lineOfConn("Pipe of tasks", sendTask, receiveTask).pair())
	connBytes     = add(lineOfConn("Pipe of bytes", sendBytes, receiveBytes).pair())
	dict          = add(dictPair)
	dictMade      = add(dictMadePair)
	procStart     = add(&pair{name: "proc Start and Wait", a: startsOf(startFunc)})
	poolMaps      = add(withPool("pool Map", poolWorkers, nil, poolMap(mapTasks, 0)))
	poolOnes      = add(withPool("pool Map, one a message", poolWorkers, nil, poolMap(mapOnes, 1)))
	poolApplies   = add(withPool("pool Apply", poolWorkers, nil, poolApply))
	poolBlocks    = add(withPool("pool Apply, blocking", poolWorkers, &pool.Options{Block: true}, poolApply))
	poolLarges    = add(withPool("pool Apply, large", poolWorkers, nil, poolLarge))
	poolBurning   = add(withPool("pool Map, burning", runtime.NumCPU(), nil, poolBurns))
	fourCopies    = add(copiedFourTimes)
	burns         = add(goroutineBurns)
	loadsLocked   = add(lockedLoad)
	loadsValue    = add(valueLoad)
	loadsNamed    = add(namedLoad)
	storesLocked  = add(lockedStore)
	storesValue   = add(valueStore)
	storesNamed   = add(namedStore)
	makesRaw      = add(madeRaw)
	makesSegment  = add(made)
	attachesSmall = add(attachedSmall)
	attachesLarge = add(attachedLarge)
	lists         = add(listed)
	execStart     = add(&pair{name: "os/exec Start and Wait", a: startsOf(startCommand)})
)
