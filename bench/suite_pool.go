package main

const (
	sceneMap      = "map of 100 000 trivial tasks"
	sceneMapOne   = "map of 10 000 trivial tasks, one a message"
	sceneApply    = "apply, "
	sceneLarge    = "16 MiB there and back"
	scenePoolBurn = "16 tasks of a millisecond or two, all processors"
)

// poolScenes are what package proc/pool is used for, beside Python's Pool and what one
// process can do.
func poolScenes() []scene {
	var scenes []scene
	add := func(name, place string, m metric, entries ...entry) {
		scenes = append(scenes, scene{suite: "pool", name: name, place: place, metrics: []metric{m}, entries: entries})
	}
	add(sceneMap, unpinned, timeMetric("map"),
		entry{"Python map", pythonPoolMap, jobThroughputAlone, ""},
		entry{"Map", poolMaps, jobThroughputAlone, "Python map"})
	add(sceneMapOne, unpinned, timeMetric("map"),
		entry{"Python map", pythonPoolOnes, jobThroughputAlone, ""},
		entry{"Map", poolOnes, jobThroughputAlone, "Python map"})
	for _, place := range []string{sameCore, unpinned} {
		add(sceneApply+place, place, timeMetric("round trip"),
			entry{"Python apply", pythonPoolApply, jobThroughputAlone, ""},
			entry{"Apply", poolApplies, jobThroughputAlone, "Python apply"},
			entry{"Apply, blocking", poolBlocks, jobThroughputAlone, "Python apply"})
	}
	add(sceneLarge, unpinned, timeMetric("round trip"),
		entry{"copied four times", fourCopies, jobThroughputAlone, ""},
		entry{"Apply", poolLarges, jobThroughputAlone, "copied four times"},
		entry{"Python apply", pythonPoolLarge, jobThroughputAlone, "copied four times"})
	add(scenePoolBurn, unpinned, timeMetric("all"),
		entry{"goroutines", burns, jobThroughputAlone, ""},
		entry{"Map", poolBurning, jobThroughputAlone, "goroutines"})
	return scenes
}
