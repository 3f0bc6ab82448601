package ringbuf

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// Parking. While Select tries a case, the end parks: its call goes the same way as ever,
// but where it would wait, it notes down for what and returns errParked. So whatever a
// call may wait for, Select can, together with others.

// sleeper is how Select waits for one case, whose call has parked. hold comes first, then
// perhaps lie, news and the sleep itself, then rise if there was lie, and drop.
type sleeper interface {
	// hold keeps the end from being closed by others until drop. If it returns false
	// there is news. Where somebody else waits as this end already, b rings when this
	// one may.
	hold(b *bell) bool
	drop()
	// come says whether what it waits for has come. It is quick, for spinning.
	come() bool
	// lie announces that the end sleeps, and adds the words to sleep on; without
	// friends no more than one. It is false if there is news.
	lie(words []futex.Word, friends bool) ([]futex.Word, bool)
	rise() // undoes it
	// news says whether there is reason not to sleep, after lie and a heavy fence.
	news() bool
	// asked returns what the look asks, or nil.
	asked() func() bool
	// spinner says how long it pays to spin.
	spinner() *futex.Spinner
	// passOn wakes another in the place of this end, if it was woken and has not taken.
	passOn()
}

// pairSleeper is an end of two.
type pairSleeper struct {
	e    *exclusive
	word uint32 // what was announced, 0: nothing
}

func (s *pairSleeper) hold(*bell) bool { return s.e.enter() }
func (s *pairSleeper) drop()           { s.e.leave() }
func (s *pairSleeper) come() bool      { return s.e.ready() }
func (s *pairSleeper) news() bool      { return s.e.news() }

func (s *pairSleeper) lie(words []futex.Word, _ bool) ([]futex.Word, bool) {
	word, same := s.e.theirs.Watch(s.e.parked.word)
	if !same {
		return words, false
	}
	s.word = word
	crashpoint.Hit("select.watched")
	s.e.seen.Store(s.e.parked.pack())
	return append(words, futex.Word{Addr: &s.e.theirs.Word, Val: word}), true
}

func (s *pairSleeper) rise() {
	if s.word != 0 {
		s.e.theirs.Unwatch(s.word)
		s.word = 0
	}
}

func (s *pairSleeper) asked() func() bool      { return s.e.gone }
func (s *pairSleeper) spinner() *futex.Spinner { return &s.e.spin }
func (s *pairSleeper) passOn()                 {}

// lanePark is what an end of many would sleep for.
type lanePark struct {
	sleepFor uint32
	ready    func() bool
	announce func()
	friend   *robust.Presence // may be nil
	gone     func() bool
}

// laneSleeper is an end of many that one goroutine uses.
type laneSleeper struct {
	e    *end
	n    *nap
	lies bool
}

func (s *laneSleeper) hold(*bell) bool { return s.e.enter() }
func (s *laneSleeper) drop()           { s.e.leave() }
func (s *laneSleeper) come() bool      { return s.n.parked.ready() }

func (s *laneSleeper) news() bool {
	p := &s.n.parked
	return p.ready() || p.friend == nil && p.gone()
}

func (s *laneSleeper) lie(words []futex.Word, friends bool) ([]futex.Word, bool) {
	p := &s.n.parked
	if !friends {
		p.friend = nil // the look finds out when it goes
	}
	s.lies = true
	return s.n.lieDown(words, p.sleepFor, p.announce, p.friend)
}

func (s *laneSleeper) rise() {
	if s.lies {
		s.lies = false
		s.n.getUp()
		spread(s.n.parked.friend)
	}
}

func (s *laneSleeper) asked() func() bool      { return s.n.parked.gone }
func (s *laneSleeper) spinner() *futex.Spinner { return &s.n.spin }

func (s *laneSleeper) passOn() {
	if !s.n.woken || s.n.pass == nil {
		return
	}
	if s.e.enter() {
		_ = guard(func() error { s.n.pass(); return nil })
	}
	s.e.leave()
}
