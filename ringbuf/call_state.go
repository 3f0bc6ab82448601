package ringbuf

import "fmt"

// callState is the state of a slot in one word, so that each step of a call is
// one CAS that says who makes it.
//
//	bits  0-2   phase
//	      3     cancelled: nobody waits for the reply any more (Taken only)
//	      4-11  seat of the server (Taken only)
//	     12-31  that seat's arrivals when the server joined (Taken only)
//	     32-63  generation of the slot, raised by each use
//
//	Idle     → Asked     the client, whose slot it is
//	Asked    → Taken     one server, which names itself
//	Asked    → Idle      the client gives up, or whoever buries it: never served
//	Taken    → Taken     cancelled, by the client or whoever buries it
//	Taken    → Answered  that server
//	Taken    → Failed    the client, or whoever takes the server's seat over: that
//	                     server is dead, and no thread of it can store any more
//	Answered, Failed     are the client's again, like Idle
//
// A slot of a seat that nobody has is Idle, and its memory given back, unless a
// server is still busy with it or the dead client was not yet buried.
type callState uint64

const (
	callIdle = iota
	callAsked
	callTaken
	callAnswered
	callFailed
)

const (
	callPhase     = 7
	callCancelled = 8
	callSeatShift = 4
	callSeatMask  = 0xff
	callComeShift = 12
	callComeMask  = 1<<20 - 1
	callGenShift  = 32
)

func callStateOf(phase int, gen uint32) callState {
	return callState(gen)<<callGenShift | callState(phase)
}

// takenBy is a slot's state while the server in a seat, which has come as the
// arrivals say, is busy with it.
func takenBy(seat int, arrivals, gen uint32) callState {
	return callStateOf(callTaken, gen) | callState(seat)<<callSeatShift | callState(arrivals&callComeMask)<<callComeShift
}

func (s callState) phase() int       { return int(s & callPhase) }
func (s callState) cancelled() bool  { return s&callCancelled != 0 }
func (s callState) seat() int        { return int(s >> callSeatShift & callSeatMask) }
func (s callState) arrivals() uint32 { return uint32(s >> callComeShift & callComeMask) }
func (s callState) gen() uint32      { return uint32(s >> callGenShift) }

// over says whether the slot is the client's.
func (s callState) over() bool {
	p := s.phase()
	return s == callStateOf(p, s.gen()) && (p == callIdle || p == callAnswered || p == callFailed)
}

// good says whether a correct process may have written s, on a board with so many
// servers.
func (s callState) good(servers int) bool {
	if s.phase() == callTaken {
		return s.seat() < servers
	}
	return s.phase() <= callFailed && s == callStateOf(s.phase(), s.gen())
}

func (s callState) String() string {
	names := [...]string{"idle", "asked", "taken", "answered", "failed", "phase 5", "phase 6", "phase 7"}
	return fmt.Sprintf("%s in generation %d", names[s.phase()], s.gen())
}

// What a reply is.
const (
	callOK       = iota
	callError    // the text of the error that the handler returned
	callPanic    // the text of the handler's panic
	callTooLarge // nothing: the reply is larger than MaxMessage
	callNoSpace  // nothing: there is no memory for the reply
	callBad      // nothing: the request's length is impossible
)
