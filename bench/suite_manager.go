package main

const (
	sceneDict     = "set and get of a key, "
	sceneDictFour = "set and get by four clients"
	sceneDictMade = "make a dictionary and give it up, "
)

// managerScenes are dictionaries in a manager beside Python's, and beside the Calls of
// an Exchange that they consist of.
func managerScenes() []scene {
	var scenes []scene
	add := func(name, place string, size int, m metric, entries ...entry) {
		scenes = append(scenes, scene{suite: "manager", name: name, place: place, size: size, metrics: []metric{m}, entries: entries})
	}
	for _, place := range []string{diffCores, sameCore, unpinned} {
		add(sceneDict+place, place, requestSize, timeMetric("both"),
			entry{"Python dict", pythonDict, jobLatency, ""},
			entry{"Dict", dict, jobLatency, "Python dict"},
			entry{"two Calls", callTwice, jobLatency, "Dict"})
		add(sceneDictMade+place, place, requestSize, timeMetric("both"),
			entry{"Python dict", pythonDictMade, jobLatency, ""},
			entry{"NewDict and Close", dictMade, jobLatency, "Python dict"},
			entry{"two Calls", callTwice, jobLatency, "NewDict and Close"})
	}
	add(sceneDictFour, unpinned, requestSize, totalMetric("sets and gets"),
		entry{"Python dict", pythonDictFour, jobFour, ""},
		entry{"Dict", dict, jobFour, "Python dict"},
		entry{"two Calls", callTwice, jobFour, "Dict"})
	return scenes
}
