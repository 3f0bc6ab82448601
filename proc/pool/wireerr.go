package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"github.com/shmkit/shmkit/internal/codec"
)

// A RemoteError is what a task returned in its worker. Errors do not travel: it has the
// text. But it is, for errors.Is, each error that the task's was and that both
// processes know: those of RegisterError, the errors of package context, io.EOF,
// io.ErrUnexpectedEOF, those of io/fs, os.ErrDeadlineExceeded, and numbers of the
// system (syscall.Errno).
type RemoteError struct {
	Task   string // the name of the task
	PID    int    // the worker's process id
	Text   string // what Error returned there
	Type   string // the Go type that the error had there
	Detail string // what %+v printed, if that is more than Text: a stack, if the error has one

	known []error
}

// Error returns the error's text.
func (e *RemoteError) Error() string { return e.Text }

// Unwrap returns the errors that this one is.
func (e *RemoteError) Unwrap() []error { return e.known }

// wireErrors are the errors that keep their identity, by name.
var wireErrors = struct {
	sync.RWMutex
	named map[string]error
}{named: map[string]error{
	"context.Canceled": context.Canceled, "context.DeadlineExceeded": context.DeadlineExceeded,
	"io.EOF": io.EOF, "io.ErrUnexpectedEOF": io.ErrUnexpectedEOF,
	"fs.ErrNotExist": fs.ErrNotExist, "fs.ErrExist": fs.ErrExist, "fs.ErrPermission": fs.ErrPermission,
	"fs.ErrInvalid": fs.ErrInvalid, "fs.ErrClosed": fs.ErrClosed, "os.ErrDeadlineExceeded": os.ErrDeadlineExceeded,
	"pool.ErrArgument": ErrArgument, "pool.ErrResult": ErrResult, "pool.ErrHandleGone": ErrHandleGone,
	"pool.ErrWorkerDied": ErrWorkerDied, "pool.ErrCancelled": ErrCancelled, "pool.ErrTerminated": ErrTerminated,
}}

// RegisterError names an error, so that a task's error is it, for errors.Is, also in
// the process that gets it, and returns it. Assign the result to a package-level
// variable: it must be registered in both. It panics when the name is empty or taken.
//
//	var ErrBusy = pool.RegisterError("busy", errors.New("busy"))
func RegisterError(name string, err error) error {
	wireErrors.Lock()
	defer wireErrors.Unlock()
	if name == "" || err == nil {
		panic("pool: register an error without a name, or no error")
	}
	if wireErrors.named[name] != nil {
		panic(fmt.Sprintf("pool: register error %q: the name is taken", name))
	}
	wireErrors.named[name] = err
	return err
}

// wireError is an error in a message.
type wireError struct {
	Text, Type, Detail string
	Known              []string
	Errno              uint64
}

// maxErrorText keeps an error from being larger than a message may be.
const maxErrorText = 64 << 10

func cut(s string) string { return s[:min(len(s), maxErrorText)] }

// encodeError never fails: an error whose own methods panic is a panic of the task.
func encodeError(err error) []byte {
	w := wireError{Text: cut(err.Error()), Type: fmt.Sprintf("%T", err)}
	if detail := fmt.Sprintf("%+v", err); detail != w.Text {
		w.Detail = cut(detail)
	}
	var no syscall.Errno
	if errors.As(err, &no) {
		w.Errno = uint64(no)
	}
	wireErrors.RLock()
	for name, known := range wireErrors.named {
		if errors.Is(err, known) {
			w.Known = append(w.Known, name)
		}
	}
	wireErrors.RUnlock()
	data, merr := codec.Marshal(w)
	if merr != nil { // strings and numbers only
		panic(merr)
	}
	return data
}

func decodeError(data []byte, task string, pid int) error {
	var w wireError
	if err := codec.Unmarshal(append([]byte(nil), data...), &w); err != nil {
		return fmt.Errorf("%w: error of task %s: %w", ErrResult, task, err)
	}
	e := &RemoteError{Task: task, PID: pid, Text: w.Text, Type: w.Type, Detail: w.Detail}
	if w.Errno != 0 {
		e.known = append(e.known, syscall.Errno(w.Errno))
	}
	wireErrors.RLock()
	defer wireErrors.RUnlock()
	for _, name := range w.Known {
		if err := wireErrors.named[name]; err != nil {
			e.known = append(e.known, err)
		}
	}
	return e
}
