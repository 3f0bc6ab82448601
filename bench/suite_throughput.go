package main

// throughputScenes are the one-way transfers. On one core the two sides take
// turns, and who only spins is left out.
func throughputScenes() []scene {
	var scenes []scene
	for _, place := range []string{diffCores, unpinned, sameCore} {
		for _, size := range []int{8, 64, 1 << 10, 64 << 10} {
			sc := scene{suite: "throughput", name: place, place: place, size: size,
				metrics: []metric{rateMetric("messages")}}
			if place != diffCores {
				sc.metrics[0] = totalMetric("messages") // a chunk may only show whose turn it was on the core
			}
			add := func(label string, who contender, job, against string) {
				sc.entries = append(sc.entries, entry{label, who, job, against})
			}
			add("os.Pipe", osPipe, jobThroughput, "")
			add("Unix socket", unixSocket, jobThroughput, "os.Pipe")
			if place != sameCore {
				if size <= 64 {
					add("C SPSC ring", cSPSC, jobThroughput, "")
				}
				if size == 8 {
					add("C SPSC ring batch", cSPSC, jobBatch, "C SPSC ring")
				}
				add("C byte ring", cCopy, jobThroughput, "")
				if size <= 1<<10 {
					add("C byte ring batch", cCopy, jobBatch, "C byte ring")
				}
				add("ring spin", ringSpin, jobThroughput, "C byte ring")
			}
			add("ring hybrid", ringHybrid, jobThroughput, "C byte ring")
			add("ring block", ringBlock, jobThroughput, "os.Pipe")
			if size <= 1<<10 {
				add("ring hybrid batch", ringHybrid, jobBatch, "os.Pipe")
			}
			add("ring hybrid zero copy", ringHybrid, jobZeroCopy, "C byte ring")
			if size <= 64 {
				if place != sameCore {
					add("Chan spin", chanSpin, jobThroughput, "C SPSC ring")
				}
				add("Chan", chanHybrid, jobThroughput, "C SPSC ring")
				add("Chan batch", chanHybrid, jobBatch, "C SPSC ring")
			}
			scenes = append(scenes, sc)
		}
	}
	return scenes
}
