package ringbuf

// arrivals is what who has the turn of a receiving end saw when it found nothing. What
// the end itself has seen last does not serve: other goroutines go on taking.
type arrivals struct {
	r       *laneReceiver
	stood   []uint64 // where each lane ended
	again   uint64
	arrived func() bool // something was published since, or offered again, or the stream has ended
}

func (a *arrivals) init(r *laneReceiver) {
	a.r, a.stood, a.arrived = r, make([]uint64, len(r.s.lanes)), a.hasArrived
}

// published says whether there may be something to receive. If not, arrived says from
// now on whether there may be.
func (a *arrivals) published() bool {
	a.again = a.r.s.h.again.Load()
	if a.r.offered() {
		return true
	}
	used := a.r.s.usedLanes()
	for i := range used {
		a.stood[i] = a.r.s.end(&used[i])
		if used[i].head.Load() != a.stood[i] {
			return true
		}
	}
	return false
}

// hasArrived reads no line that other consumers write.
func (a *arrivals) hasArrived() bool {
	s := a.r.s
	used := s.usedLanes()
	for i := range used {
		if s.end(&used[i]) != a.stood[i] {
			return true
		}
	}
	if !s.opts.Redeliver {
		return s.h.ended.Load() != 0
	}
	return s.h.again.Load() != a.again || s.h.ended.Load() != 0 && !a.r.mayComeBack()
}
