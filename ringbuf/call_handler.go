package ringbuf

import (
	"fmt"
	"runtime/debug"
)

// run runs the handler, and makes a reply of what it gives.
func (w *callWorker) run() (status uint32, reply []byte) {
	returned := false
	debug.SetPanicOnFault(false) // a fault in the handler is the handler's
	defer func() {
		debug.SetPanicOnFault(true)
		if w.turns.worn.Load() || w.turns.ended.Load() != 0 {
			parent := w.turns.parent
			w.turns.finish()
			w.renew(parent)
		}
		if returned {
			return
		}
		value := recover()
		if value == nil {
			return // runtime.Goexit: see exit
		}
		w.report(value)
		status, reply = callPanic, w.text(fmt.Sprint(value))
	}()
	reply, err := w.handler(&w.call)
	if err != nil {
		status, reply = callError, w.text(err.Error()) // which may panic in its turn
	}
	returned = true
	return status, reply
}

// shield runs what was given to a server besides the handler. It may panic, and a fault
// in it is its own.
func (v *callServer) shield(f func()) {
	old := debug.SetPanicOnFault(false)
	defer func() {
		debug.SetPanicOnFault(old)
		if value := recover(); value != nil {
			v.report(value)
		}
	}()
	f()
}

// exit answers the call whose handler ended the worker's goroutine.
func (w *callWorker) exit() {
	st := callState(w.clients[w.client].slots[w.slot].state.Load())
	w.end(st.gen(), callPanic, w.text("the handler called runtime.Goexit"))
}

// text is what of an error's text is sent.
func (w *callServer) text(s string) []byte {
	return []byte(s[:min(len(s), maxErrorText, max(callInline, int(w.max)))])
}
