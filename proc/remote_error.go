package proc

import "github.com/shmkit/shmkit/internal/wireerr"

// A RemoteError is an error that a function returned in another process, or its panic. It
// has the text of the original, and it is, for errors.Is, each error of RegisterError that
// the original was, each of this library's, those of package context, io.EOF,
// io.ErrUnexpectedEOF, those of io/fs, and numbers of the system (syscall.Errno).
type RemoteError = wireerr.Error

// RegisterError names an error, so that in other processes of this program, too, a
// RemoteError is that error for errors.Is, and returns it. Assign the result to a
// package-level variable: it must be registered in both. It panics when the name is empty
// or taken.
//
//	var ErrBusy = proc.RegisterError("busy", errors.New("busy"))
func RegisterError(name string, err error) error { return wireerr.Register(name, err) }
