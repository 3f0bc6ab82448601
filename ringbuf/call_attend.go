package ringbuf

import (
	"context"

	"github.com/shmkit/shmkit/internal/robust"
)

// attend does what no worker does: it ends the handlers of calls for whose replies
// nobody waits, and buries clients. What it is not told of it finds at its next look.
// It says whether clients are dying.
func (v *callServer) attend(ctx context.Context) (dying bool) {
	for _, w := range v.workers {
		c := w.ctx.Load()
		if turn := c.turn.Load(); turn != 0 && v.unwanted(turn) {
			c.cancel(turn)
		}
	}
	v.withdraw()
	dying = v.mourn()
	for i := range v.clientCount() {
		v.bury(ctx, i)
	}
	return dying
}

// unwanted says whether this server is busy with the call of a turn, and nobody
// waits for it.
func (v *callServer) unwanted(turn uint64) bool {
	at := int(turn>>32) - 1
	c := &v.clients[at/callSlots]
	st := callState(c.slots[at%callSlots].state.Load())
	if st&^callCancelled != takenBy(v.index, v.arrivals, uint32(turn)) {
		return false
	}
	return st.cancelled() || robust.StateOf(c.Word.Load()) != robust.Present
}

// cancelAll ends the handlers of all calls.
func (v *callServer) cancelAll() {
	for _, w := range v.workers {
		c := w.ctx.Load()
		c.cancel(c.turn.Load())
	}
}
