// Package wireerr lets errors keep their identity between processes.
//
// An error is a value of one process: another one gets its text, and the names of those
// registered errors that it is. Both processes are the same program, so the names lead to
// the same errors there, and errors.Is holds on both sides.
//
// Concurrency: all functions may be called from many goroutines. Death: nothing here is
// shared. Trust: Decode bounds nothing but believes nothing either: a name that is not
// registered is no error.
//
//	data := wireerr.Encode(err, "")
//	...
//	err := wireerr.Decode(data) // errors.Is(err, io.EOF) as before
package wireerr
