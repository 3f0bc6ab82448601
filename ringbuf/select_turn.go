package ringbuf

import (
	"context"
	"slices"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// admit takes the role, before a call that does not wait for it.
func (t *turns) admit(ctx context.Context, what string, join func(context.Context) error) error {
	t.lock.Lock()
	joined := t.joined
	t.lock.Unlock()
	if joined {
		return nil
	}
	if err := t.queue(ctx, true); err != nil {
		return err
	}
	defer t.finish()
	_, err := t.careful(func() (int, error) { return 0, t.become(ctx, what, true, join) })
	return err
}

// turnSleeper is an end of many that goroutines share. Who has the turn sleeps as the
// end; who has not sleeps until it is free, on the selection's bell.
type turnSleeper struct {
	t    *turns
	n    *nap         // that of the end, not of who has the turn
	park func() error // what a call does that has to wait, with the turn

	lane laneSleeper // of who has the turn
	bell *bell       // it rings when the turn is free; nil: this has the turn
}

func (s *turnSleeper) hold(b *bell) bool {
	s.lane = laneSleeper{e: &s.t.own, n: &s.t.sleeper}
	s.bell = nil
	err := s.t.queue(context.Background(), false)
	if err == errQueued {
		s.t.listen(b)
		if err = s.t.queue(context.Background(), false); err == errQueued {
			s.bell = b
			return true
		}
		s.t.unlisten(b)
	}
	if err != nil {
		s.lane.e = nil
		return false
	}
	s.t.parks(true)
	err = s.park()
	s.t.parks(false)
	return err == errParked
}

func (t *turns) parks(yes bool) {
	t.lock.Lock()
	t.own.parks = yes
	t.lock.Unlock()
}

func (s *turnSleeper) drop() {
	switch {
	case s.bell != nil:
		s.t.unlisten(s.bell)
	case s.lane.e != nil:
		s.t.lock.Lock()
		s.t.own.parks = false // after a fault
		s.n.woken = s.n.woken || s.t.sleeper.woken
		s.t.sleeper.woken = false
		s.t.lock.Unlock()
		s.t.finish()
	}
	s.bell, s.lane.e = nil, nil
}

func (s *turnSleeper) come() bool { return s.bell == nil && s.lane.come() }
func (s *turnSleeper) news() bool { return s.bell == nil && s.lane.news() }

func (s *turnSleeper) lie(words []futex.Word, friends bool) ([]futex.Word, bool) {
	if s.bell != nil {
		return words, true
	}
	return s.lane.lie(words, friends)
}

func (s *turnSleeper) rise() {
	if s.bell == nil {
		s.lane.rise()
	}
}

func (s *turnSleeper) asked() func() bool {
	if s.bell != nil {
		return nil
	}
	return s.lane.asked()
}

func (s *turnSleeper) spinner() *futex.Spinner { return &s.t.sleeper.spin }

func (s *turnSleeper) passOn() {
	s.t.lock.Lock()
	defer s.t.lock.Unlock()
	if s.n.woken && s.n.pass != nil && !s.t.own.closed.Load() {
		_ = guard(func() error { s.n.pass(); return nil })
	}
}

// bell wakes a Select that has not got the turn of an end.
type bell struct{ mem.Uint32 }

func (b *bell) ring() {
	b.Add(1)
	futex.Wake(&b.Uint32, 1)
}

// listen makes b ring whenever the turn is free, or the end is closed.
func (t *turns) listen(b *bell) {
	t.lock.Lock()
	t.bells = append(t.bells, b)
	t.lock.Unlock()
	t.listeners.Add(1)
}

func (t *turns) unlisten(b *bell) {
	t.listeners.Add(-1)
	t.lock.Lock()
	if i := slices.Index(t.bells, b); i >= 0 {
		t.bells = slices.Delete(t.bells, i, i+1)
	}
	t.lock.Unlock()
}

// ring is called when the turn is free: whoever has not got it after listening is heard.
func (t *turns) ring() {
	if t.listeners.Load() == 0 {
		return
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	for _, b := range t.bells {
		b.ring()
	}
}
