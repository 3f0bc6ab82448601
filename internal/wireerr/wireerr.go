package wireerr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"sync"
	"syscall"

	"github.com/shmkit/shmkit/internal/codec"
)

// Error is an error that another process has returned. It has the text; and it is, for
// errors.Is, each registered error that the original was, and its number, if it was one
// of the system's (syscall.Errno).
type Error struct {
	Text     string // what Error returned there
	Type     string // the Go type that the error had there
	Detail   string // what %+v printed, if that is more than Text: a stack, if the error has one
	Stack    string // of the goroutine that panicked there, "" for an error that was returned
	Panicked bool   // a panic, with Text as the value

	known []error
}

// Error returns the error's text, for a panic after "panic: ".
func (e *Error) Error() string {
	if e.Panicked {
		return "panic: " + e.Text
	}
	return e.Text
}

// Unwrap returns the errors that this one is.
func (e *Error) Unwrap() []error { return e.known }

// registry has the errors that keep their identity, by name.
var registry = struct {
	sync.RWMutex
	named map[string]error
	ready sync.Map // of some of them, by error: what Encode returns
}{named: map[string]error{
	"context.Canceled": context.Canceled, "context.DeadlineExceeded": context.DeadlineExceeded,
	"io.EOF": io.EOF, "io.ErrUnexpectedEOF": io.ErrUnexpectedEOF,
	"fs.ErrNotExist": fs.ErrNotExist, "fs.ErrExist": fs.ErrExist, "fs.ErrPermission": fs.ErrPermission,
	"fs.ErrInvalid": fs.ErrInvalid, "fs.ErrClosed": fs.ErrClosed,
	"os.ErrDeadlineExceeded": os.ErrDeadlineExceeded, "errors.ErrUnsupported": errors.ErrUnsupported,
}}

// Register names an error and returns it. It panics when the name is empty or taken, or
// there is no error.
func Register(name string, err error) error {
	registry.Lock()
	defer registry.Unlock()
	if name == "" || err == nil {
		panic("register an error without a name, or no error")
	}
	if registry.named[name] != nil {
		panic(fmt.Sprintf("register error %q: the name is taken", name))
	}
	registry.named[name] = err
	return err
}

// message is an error on its way.
type message struct {
	Text, Type, Detail, Stack string
	Panicked                  bool
	Known                     []string
	Errno                     uint64
}

// maxText keeps an error from being larger than a message may be.
const maxText = 4 << 10

func cut(s string) string { return s[:min(len(s), maxText)] }

// Encode returns err as bytes, at most some 20 KB of them, which must not be changed.
func Encode(err error) []byte {
	if !reflect.TypeOf(err).Comparable() {
		return encode(err)
	}
	if data, ok := registry.ready.Load(err); ok {
		return data.([]byte)
	}
	data := encode(err)
	if registered(err) { // few, and often returned
		registry.ready.Store(err, data)
	}
	return data
}

func registered(err error) bool {
	registry.RLock()
	defer registry.RUnlock()
	for _, known := range registry.named {
		if known == err {
			return true
		}
	}
	return false
}

func encode(err error) []byte {
	m := message{Text: cut(err.Error()), Type: cut(fmt.Sprintf("%T", err))}
	if detail := fmt.Sprintf("%+v", err); detail != err.Error() {
		m.Detail = cut(detail)
	}
	var e *Error
	if errors.As(err, &e) {
		m.Stack, m.Panicked = cut(e.Stack), e == err && e.Panicked
		if e == err {
			m.Text, m.Type, m.Detail = cut(e.Text), e.Type, e.Detail
		}
	}
	var no syscall.Errno
	if errors.As(err, &no) {
		m.Errno = uint64(no)
	}
	registry.RLock()
	for name, known := range registry.named {
		if errors.Is(err, known) {
			m.Known = append(m.Known, name)
		}
	}
	registry.RUnlock()
	data, merr := codec.Marshal(m)
	if merr != nil { // strings and numbers only
		panic(merr)
	}
	return data
}

// Panic is the error of a panic with that value.
func Panic(value any, stack []byte) error {
	return &Error{Text: cut(fmt.Sprint(value)), Type: fmt.Sprintf("%T", value), Stack: cut(string(stack)), Panicked: true}
}

// Decode returns the error that Encode has made bytes of, an *Error.
func Decode(data []byte) error {
	var m message
	if err := codec.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("decode remote error: %w", err)
	}
	e := &Error{Text: m.Text, Type: m.Type, Detail: m.Detail, Stack: m.Stack, Panicked: m.Panicked}
	if m.Errno != 0 {
		e.known = append(e.known, syscall.Errno(m.Errno))
	}
	registry.RLock()
	defer registry.RUnlock()
	for _, name := range m.Known {
		if err := registry.named[name]; err != nil {
			e.known = append(e.known, err)
		}
	}
	return e
}
