package proc

import (
	"os"
	"slices"

	"github.com/shmkit/shmkit/internal/handle"
)

// A lifeline tells the sender of a message what becomes of the roles in it. A
// child's handles have Exited when the child ends; the receiver of a message
// may live on and never take them. So one end of a kernel pipe travels among the
// message's descriptors: whoever receives the message closes it once the
// handles are decoded, and the kernel closes it with a receiver that dies and
// with a socket that goes while the message is in it. The other end is here, with
// a goroutine parked on it, for as long as the message is under way.

// newLifeline returns the descriptor to send with a message of hs, nil if no
// handle watches. When all copies of it are closed, Exited of all hs is called:
// that marks the roles which nobody has adopted, and changes nothing about the
// others. The sender closes its own copy when the message is on its way, or
// calls cutLifeline if it never will be.
func newLifeline(hs []handle.Handle) (theirs *os.File, err error) {
	if !slices.ContainsFunc(hs, handle.Handle.Watches) {
		return nil, nil
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() {
		defer ours.Close()
		if n, _ := ours.Read(make([]byte, 1)); n > 0 {
			return // cut
		}
		for _, h := range hs {
			h.Exited()
		}
	}()
	return theirs, nil
}

// cutLifeline ends a lifeline without calling Exited. nil is none.
func cutLifeline(theirs *os.File) {
	if theirs != nil {
		theirs.Write([]byte{0})
		theirs.Close()
	}
}
