package main

const sceneCall = "call, "

// callScenes are a request of 64 bytes and its response, beside the same bytes
// there and back through two rings.
func callScenes() []scene {
	var scenes []scene
	for _, place := range []string{diffCores, sameCore, unpinned} {
		scenes = append(scenes, scene{
			suite: "rpc", name: sceneCall + place, place: place, size: messageSize,
			metrics: []metric{timeMetric("round trip")},
			entries: []entry{
				{"ring hybrid", ringHybrid, jobLatency, ""},
				{"Call", call, jobLatency, "ring hybrid"},
				{"Unix socket", unixSocket, jobLatency, "ring hybrid"},
			},
		})
	}
	return scenes
}
