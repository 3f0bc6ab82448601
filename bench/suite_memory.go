package main

const (
	sceneLoad   = "load a struct of 64 B"
	sceneStore  = "store a struct of 64 B"
	sceneMade   = "create and close an anonymous segment of 1 MiB"
	sceneAttach = "attach to 1 GiB and close"
	sceneFaults = "page faults of attaching to 1 GiB"
	sceneListed = "list 10 000 segments"
)

// memoryScenes are what package shm does, beside the same in one process, and beside
// the system calls of which it consists.
func memoryScenes() []scene {
	var scenes []scene
	add := func(name string, m metric, entries ...entry) {
		scenes = append(scenes, scene{suite: "memory", name: name, place: unpinned, metrics: []metric{m}, entries: entries})
	}
	add(sceneLoad, timeMetric("load"),
		entry{"sync.Mutex", loadsLocked, jobThroughputAlone, ""},
		entry{"Value", loadsValue, jobThroughputAlone, "sync.Mutex"},
		entry{"Value, named", loadsNamed, jobThroughputAlone, "sync.Mutex"})
	add(sceneStore, timeMetric("store"),
		entry{"sync.Mutex", storesLocked, jobThroughputAlone, ""},
		entry{"Value", storesValue, jobThroughputAlone, "sync.Mutex"},
		entry{"Value, named", storesNamed, jobThroughputAlone, "sync.Mutex"})
	add(sceneMade, timeMetric("both"),
		entry{"system calls", makesRaw, jobThroughputAlone, ""},
		entry{"Segment", makesSegment, jobThroughputAlone, "system calls"})
	add(sceneAttach, timeMetric("both"),
		entry{"4 KiB", attachesSmall, jobThroughputAlone, ""},
		entry{"1 GiB", attachesLarge, jobThroughputAlone, "4 KiB"})
	add(sceneFaults, extraMetric(pageFaults, "page faults", "1"),
		entry{"4 KiB", attachesSmall, jobThroughputAlone, ""},
		entry{"1 GiB", attachesLarge, jobThroughputAlone, ""})
	add(sceneListed, timeMetric("list"),
		entry{"List", lists, jobThroughputAlone, ""})
	return scenes
}
