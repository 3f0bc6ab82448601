package main

import "slices"

const (
	sceneUncontended  = "uncontended"
	sceneContended    = "contended by two processes, " // and the place, as below
	sceneTwo          = "two goroutines on two mutexes"
	sceneSemaphore    = "semaphore, uncontended"
	sceneSemContended = "semaphore contended by two processes, "
	sceneReader       = "reader, uncontended"
	sceneReaders      = "readers in two processes, "
	sceneRoundTrip    = "round trip, "
	sceneBarrier      = "barrier of two processes, "
	sceneHandOver     = "hand-over between two processes, "
	sceneHandOverFour = "hand-over between four processes, "
	sceneAllocations  = "allocations"
	sceneSystemCalls  = "system calls"
)

func lockScenes() []scene {
	return slices.Concat(mutexScenes(), semaphoreScenes(), readerScenes(), wakingScenes(), handOverScenes(), costScenes())
}

func mutexScenes() []scene {
	scenes := []scene{{
		suite: "locks", name: sceneUncontended, place: sameCore,
		metrics: []metric{timeMetric("lock and unlock")},
		entries: []entry{
			{"C robust mutex", cMutex, jobUncontended, ""},
			{"Mutex", mutex, jobUncontended, "C robust mutex"},
			{"sync.Mutex", syncMutex, jobUncontended, "C robust mutex"},
		},
	}}
	scenes = append(scenes, contended(sceneContended, "lock and unlock",
		entry{"C robust mutex", cMutex, jobContended, ""},
		entry{"Mutex", mutex, jobContended, "C robust mutex"},
	)...)
	return append(scenes, scene{
		suite: "locks", name: sceneTwo, place: unpinned,
		metrics: []metric{timeMetric("lock and unlock, each")},
		entries: []entry{
			{"Mutex, one", mutex, jobOne, ""},
			{"Mutex, two", mutex, jobTwo, "Mutex, one"},
			{"sync.Mutex, one", syncMutex, jobOne, ""},
			{"sync.Mutex, two", syncMutex, jobTwo, "sync.Mutex, one"},
		},
	})
}

func semaphoreScenes() []scene {
	return append([]scene{{
		suite: "locks", name: sceneSemaphore, place: sameCore,
		metrics: []metric{timeMetric("acquire and release")},
		entries: []entry{
			{"C sem_t", cSem, jobUncontended, ""},
			{"Semaphore", permits, jobUncontended, "C sem_t"},
			{"Python with Lock", pythonWith, jobUncontended, "C sem_t"},
			{"Python Lock, calls", pythonCalls, jobUncontended, "C sem_t"},
		},
	}}, contended(sceneSemContended, "acquire and release",
		entry{"C sem_t", cSem, jobContended, ""},
		entry{"Semaphore", permits, jobContended, "C sem_t"},
	)...)
}

func readerScenes() []scene {
	return append([]scene{{
		suite: "locks", name: sceneReader, place: sameCore,
		metrics: []metric{timeMetric("lock and unlock for reading")},
		entries: []entry{
			{"C rwlock", cRWLock, jobUncontended, ""},
			{"RWMutex", reader, jobUncontended, "C rwlock"},
			{"sync.RWMutex", syncRWMutex, jobUncontended, "C rwlock"},
		},
	}}, contended(sceneReaders, "lock and unlock for reading",
		entry{"C rwlock", cRWLock, jobContended, ""},
		entry{"RWMutex", reader, jobContended, "C rwlock"},
	)...)
}

// contended are the scenes of two processes that use one lock for a while.
func contended(name, operation string, entries ...entry) []scene {
	var scenes []scene
	for _, place := range []string{diffCores, unpinned} {
		scenes = append(scenes, scene{
			suite: "locks", name: name + place, place: place,
			metrics: []metric{
				totalMetric(operation + ", both together"),
				extraMetric(lessShare, "share of the one that got less", "of 1"),
			},
			entries: entries,
		})
	}
	return scenes
}

// wakingScenes are those of who waits for the other side again and again.
func wakingScenes() []scene {
	var scenes []scene
	for _, place := range []string{diffCores, sameCore, unpinned} {
		scenes = append(scenes, scene{
			suite: "locks", name: sceneRoundTrip + place, place: place,
			metrics: []metric{timeMetric("round trip")},
			entries: []entry{
				{"C futex", cFutex, jobLatency, ""},
				{"Event", event, jobLatency, "C futex"},
				{"C cond", cCond, jobLatency, "C futex"},
				{"Cond", cond, jobLatency, "C futex"},
				{"C cond, signal under lock", cCondLocked, jobLatency, ""},
				{"Cond, signal under lock", condLocked, jobLatency, "C cond, signal under lock"},
			},
		}, scene{
			suite: "locks", name: sceneBarrier + place, place: place,
			metrics: []metric{timeMetric("round")},
			entries: []entry{
				{"C barrier", cBarrier, jobLatency, ""},
				{"Barrier", barrier, jobLatency, "C barrier"},
			},
		})
	}
	return scenes
}

// handOverScenes say who gets a lock when several want it all the time.
func handOverScenes() []scene {
	var scenes []scene
	for _, s := range []struct{ name, job, place string }{
		{sceneHandOver, jobHandOver, diffCores},
		{sceneHandOverFour, jobHandOverFour, unpinned},
	} {
		scenes = append(scenes, scene{
			suite: "locks", name: s.name + s.place, place: s.place,
			metrics: []metric{
				extraMetric(longestWait, "longest wait", "ns"),
				extraMetric(longestRow, "most in a row by one process", "operations"),
				extraMetric(jainIndex, "Jain's index", "of 1"),
				extraMetric(leastToMost, "least operations by most", "of 1"),
				totalMetric("operations, all together"),
			},
			entries: []entry{
				{"C robust mutex", cMutex, s.job, ""},
				{"Mutex", mutex, s.job, "C robust mutex"},
				{"C sem_t", cSem, s.job, ""},
				{"Semaphore", permits, s.job, "C sem_t"},
			},
		})
	}
	return scenes
}

func costScenes() []scene {
	return []scene{{
		suite: "locks", name: sceneAllocations, place: unpinned,
		metrics: []metric{extraMetric(jobAllocations, "allocations an operation", "1/op")},
		entries: []entry{
			{"Mutex", mutex, jobAllocations, ""},
			{"Semaphore", permits, jobAllocations, ""},
			{"RWMutex", reader, jobAllocations, ""},
			{"ring", ringHybrid, jobAllocations, ""},
			{"Chan", chanHybrid, jobAllocations, ""},
		},
	}, {
		suite: "locks", name: sceneSystemCalls, place: unpinned,
		metrics: []metric{extraMetric(jobSystemCalls, "system calls an operation, the process's start included", "1/op")},
		entries: []entry{
			{"Mutex", straced{mutex}, jobSystemCalls, ""},
			{"Semaphore", straced{permits}, jobSystemCalls, ""},
			{"RWMutex", straced{reader}, jobSystemCalls, ""},
			{"ring", straced{ringHybrid}, jobSystemCalls, ""},
			{"Chan", straced{chanHybrid}, jobSystemCalls, ""},
		},
	}}
}
