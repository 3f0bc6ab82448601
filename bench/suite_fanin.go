package main

const (
	sceneMPMC = "MPMC 2 × 2"
	sceneMPSC = "MPSC 2 × 1"
	sceneSPMC = "SPMC 1 × 2"
)

// fanInScenes are queues with several processes at an end. None is bound: they
// may be more than the processors.
func fanInScenes() []scene {
	var scenes []scene
	for _, s := range []struct{ name, job, mode string }{
		{sceneMPMC, jobMPMC, "MPMC"},
		{sceneMPSC, jobMPSC, "MPSC"},
		{sceneSPMC, jobSPMC, "SPMC"},
	} {
		for _, size := range []int{8, 64} {
			sc := scene{
				suite: "fanin", name: s.name, place: unpinned, size: size,
				metrics: []metric{totalMetric("items received, by all together")},
				entries: []entry{
					{"C Vyukov queue", cVyukov, s.job, ""},
					{"ring " + s.mode, manyRing, s.job, "C Vyukov queue"},
					{"ring " + s.mode + " spin", manySpin, s.job, "C Vyukov queue"},
					{"ring " + s.mode + " batch", manyBatch, s.job, "C Vyukov queue"},
				},
			}
			if size == 8 {
				sc.entries = append(sc.entries, entry{"Chan " + s.mode, manyChan, s.job, "C Vyukov queue"})
			}
			scenes = append(scenes, sc)
		}
	}
	return scenes
}
