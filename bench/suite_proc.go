package main

const (
	sceneWords    = "queue of uint64, "
	sceneJoin     = "uint64, each finished, "
	sceneTasks    = "queue of structs, "
	sceneTaskTrip = "struct there and back, "
	scenePipe     = "64 B there and back, "
	sceneStart    = "start a process and wait for it"
)

// procScenes are what package proc is used for, beside what does the same in Python
// and in Go.
func procScenes() []scene {
	var scenes []scene
	add := func(name, place string, size int, m metric, entries ...entry) {
		scenes = append(scenes, scene{suite: "proc", name: name + place, place: place, size: size, metrics: []metric{m}, entries: entries})
	}
	for _, place := range []string{diffCores, sameCore, unpinned} {
		add(sceneWords, place, 8, rateMetric("items"),
			entry{"Chan MPMC", chanWords, jobThroughput, ""},
			entry{"Queue", queueWords, jobThroughput, "Chan MPMC"},
			entry{"Queue, unbounded", queueGrows, jobThroughput, "Chan MPMC"})
		add(sceneJoin, place, 8, rateMetric("items"),
			entry{"Python JoinableQueue", pythonJoinRate, jobThroughput, ""},
			entry{"JoinableQueue", joinWords, jobThroughput, "Python JoinableQueue"})
		add(sceneTasks, place, 0, rateMetric("items"),
			entry{"Python Queue", pythonQueueRate, jobThroughput, ""},
			entry{"Queue", queueTasks, jobThroughput, "Python Queue"})
		add(sceneTaskTrip, place, 0, timeMetric("round trip"),
			entry{"Python Queue", pythonQueueTrip, jobLatency, ""},
			entry{"Queue", queueTasks, jobLatency, "Python Queue"},
			entry{"Python Pipe", pythonPipeTrip, jobLatency, ""},
			entry{"Pipe", connTasks, jobLatency, "Python Pipe"})
		add(scenePipe, place, messageSize, timeMetric("round trip"),
			entry{"Unix socket", unixSocket, jobLatency, ""},
			entry{"Python Pipe", pythonPipeBytes, jobLatency, "Unix socket"},
			entry{"Pipe", connBytes, jobLatency, "Unix socket"})
	}
	add(sceneStart, "", 0, timeMetric("start and wait"),
		entry{"os/exec", execStart, jobStart, ""},
		entry{"Start and Wait", procStart, jobStart, "os/exec"},
		entry{"Python spawn", pythonSpawn, jobStart, "os/exec"})
	scenes[len(scenes)-1].place = unpinned
	return scenes
}
