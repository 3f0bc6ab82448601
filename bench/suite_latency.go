package main

// messageSize is the round trip's.
const messageSize = 64

const sceneLoaned = "loaned 1 MiB"

// latencyScenes are the round trips. Who only spins is left out on one core:
// there a spinner waits for the end of its time slice.
func latencyScenes() []scene {
	var scenes []scene
	for _, place := range []string{diffCores, sameCore, unpinned} {
		sc := scene{suite: "latency", name: place, place: place, size: messageSize,
			metrics: []metric{timeMetric("round trip")}}
		add := func(label string, who contender, against string) {
			sc.entries = append(sc.entries, entry{label, who, jobLatency, against})
		}
		if place != sameCore {
			add("C flag", cFlag, "")
			add("C SPSC ring", cSPSC, "C flag")
			add("C byte ring", cCopy, "C flag")
			add("ring spin", ringSpin, "C SPSC ring")
			add("Chan spin", chanSpin, "C SPSC ring")
		}
		add("C futex", cFutex, "")
		add("ring block", ringBlock, "C futex")
		add("os.Pipe", osPipe, "C futex")
		add("os.Pipe polled", osPipePolled, "os.Pipe")
		add("Unix socket", unixSocket, "os.Pipe")
		add("ring hybrid", ringHybrid, "os.Pipe")
		add("Chan", chanHybrid, "ring hybrid")
		scenes = append(scenes, sc)
	}
	return append(scenes, scene{suite: "latency", name: sceneLoaned, place: diffCores, size: 1 << 20,
		metrics: []metric{timeMetric("round trip")},
		entries: []entry{
			{"ring loaned 64 B", sized{ringHybrid, messageSize}, jobLoaned, ""},
			{"ring loaned 1 MiB", ringHybrid, jobLoaned, "ring loaned 64 B"},
		}})
}
