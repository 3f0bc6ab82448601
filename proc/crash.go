package proc

import (
	"encoding/binary"
	"strings"
)

// A PanicError is what ended a process with exit code 2: a panic in any of its
// goroutines, or an error of the Go runtime, such as a deadlock. It is the
// cause of an [ExitError], found with errors.As. It comes through
// debug.SetCrashOutput: a child that calls that itself has it for itself.
type PanicError struct {
	// Value is the value of the panic, as Go prints it. When the runtime itself
	// gives up it is "fatal error": which one, it only says on standard error.
	Value string
	// Stack is the trace that Go prints below it. It ends early if it is very
	// long, and if the process was killed while it wrote it.
	Stack string
}

const fatalError = "fatal error"

func (e *PanicError) Error() string {
	if e.Value == fatalError {
		return e.Value
	}
	return "panic: " + e.Value
}

// A ChildError is what the function of a process returned, and why it exited
// with code 1. It is the cause of an [ExitError], found with errors.As. Errors do
// not travel: it has the text, not the error itself.
type ChildError struct{ Text string }

func (e *ChildError) Error() string { return e.Text }

// A child's report is a pipe to its parent, which reads it when the child has
// ended. It holds the error that the function returned, if one did, marked and
// with its length in front, and what the runtime writes when it gives up. The
// child never waits for room: what does not fit is left out.
const (
	reportMark    byte = 1 // no trace begins with it
	maxReportText      = 16 << 10
)

func encodeReport(err error) []byte {
	text := err.Error()
	text = text[:min(len(text), maxReportText)]
	b := binary.LittleEndian.AppendUint32([]byte{reportMark}, uint32(len(text)))
	return append(b, text...)
}

// decodeReport returns a *PanicError, a *ChildError or nil. A process whose
// function has returned an error may still panic.
func decodeReport(report []byte) error {
	var cause error
	if len(report) >= 5 && report[0] == reportMark {
		n := min(uint64(binary.LittleEndian.Uint32(report[1:])), uint64(len(report)-5))
		cause = &ChildError{Text: string(report[5 : 5+n])}
		report = report[5+n:]
	}
	if len(report) == 0 {
		return cause
	}
	value, stack, traced := strings.Cut("\n"+string(report), "\ngoroutine ")
	e := &PanicError{Value: strings.TrimSpace(strings.TrimPrefix(value, "\npanic: "))}
	if traced {
		e.Stack = "goroutine " + stack
	}
	if e.Value == "" {
		e.Value = fatalError
	}
	return e
}
