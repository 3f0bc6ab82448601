package main

const (
	sceneUncontended = "uncontended"
	sceneContended   = "contended by two processes, " // and the place
	sceneTwo         = "two goroutines on two mutexes"
	sceneAllocations = "allocations"
	sceneSystemCalls = "system calls"
)

func lockScenes() []scene {
	scenes := []scene{{
		suite: "locks", name: sceneUncontended, place: sameCore,
		metrics: []metric{timeMetric("lock and unlock")},
		entries: []entry{
			{"C robust mutex", cMutex, jobUncontended, ""},
			{"Mutex", mutex, jobUncontended, "C robust mutex"},
			{"sync.Mutex", syncMutex, jobUncontended, "C robust mutex"},
		},
	}}
	for _, place := range []string{diffCores, unpinned} {
		scenes = append(scenes, scene{
			suite: "locks", name: sceneContended + place, place: place,
			metrics: []metric{
				totalMetric("lock and unlock, both together"),
				extraMetric("share", "share of the one that got less", "of 1"),
			},
			entries: []entry{
				{"C robust mutex", cMutex, jobContended, ""},
				{"Mutex", mutex, jobContended, "C robust mutex"},
			},
		})
	}
	return append(scenes, scene{
		suite: "locks", name: sceneTwo, place: unpinned,
		metrics: []metric{timeMetric("lock and unlock, each")},
		entries: []entry{
			{"Mutex, one", mutex, jobOne, ""},
			{"Mutex, two", mutex, jobTwo, "Mutex, one"},
			{"sync.Mutex, one", syncMutex, jobOne, ""},
			{"sync.Mutex, two", syncMutex, jobTwo, "sync.Mutex, one"},
		},
	}, scene{
		suite: "locks", name: sceneAllocations, place: unpinned,
		metrics: []metric{extraMetric(jobAllocations, "allocations an operation", "1/op")},
		entries: []entry{
			{"Mutex", mutex, jobAllocations, ""},
			{"ring", ringHybrid, jobAllocations, ""},
			{"Chan", chanHybrid, jobAllocations, ""},
		},
	}, scene{
		suite: "locks", name: sceneSystemCalls, place: unpinned,
		metrics: []metric{extraMetric(jobSystemCalls, "system calls an operation, the process's start included", "1/op")},
		entries: []entry{
			{"Mutex", straced{mutex}, jobSystemCalls, ""},
			{"ring", straced{ringHybrid}, jobSystemCalls, ""},
			{"Chan", straced{chanHybrid}, jobSystemCalls, ""},
		},
	})
}
