// Package handle lets shared objects travel between processes as ordinary
// fields of a message.
//
// A ring, an array or one end of a pipe is a descriptor, a name and a few
// bytes. None of that can be written into a message: a descriptor has to
// cross by inheritance or SCM_RIGHTS. So the public types implement
// encoding.BinaryMarshaler and encoding.BinaryUnmarshaler through this
// package: marshalling puts the [Handle] aside and leaves a small reference in
// the message, unmarshalling exchanges the reference for the handle. Whoever
// sends (proc, when it starts a child) wraps its codec in [Encode], transports
// message and handles, and the receiver wraps its codec in [Decode].
//
// Concurrency: Encode and Decode are safe from many goroutines and run one at
// a time each. The encoding interfaces carry no context, so the table that
// [Put] and [Get] work on can only be found through a package-level variable,
// and a mutex gives it to one call at a time. A codec must therefore do its
// work in the goroutine that called it, and must not call Encode or Decode
// again. An object that is marshalled by a stranger's codec while an Encode is
// under way in another goroutine cannot be told apart from a travelling one:
// it rides along unused, and its reference is refused by every later Decode
// that has fewer handles. At all other times strangers get [ErrNotTravelling].
//
// Death: nothing here survives a process. Roles that move to a receiver are
// told about its fate through [Options].
//
// Trust: references and tables come from the sender and are checked; a bad one
// is [ErrReference], never a wrong index.
//
//	data, hs, err := handle.Encode(func() ([]byte, error) { return cbor.Marshal(arg) })
//	if err != nil {
//		return err
//	}
//	send(data, hs) // elsewhere: handle.Decode(ctx, data, hs, unmarshal)
package handle
