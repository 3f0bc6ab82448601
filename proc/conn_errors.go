package proc

import (
	"errors"
	"fmt"
	"io"
)

// Returned by the methods of a Conn, besides ErrClosed, ErrArgument, io.EOF, the
// context's error and those of package ringbuf.
var (
	// ErrOneWay means that this end of a one-way pipe only sends, or only
	// receives.
	ErrOneWay = errors.New("pipe is one-way, in the other direction")

	// ErrTooLong means that the next message is longer than RecvBytes was to
	// return. The message stays and can be received.
	ErrTooLong = errors.New("message is longer than the limit")

	// ErrMessageKind means that the next message has to be received by another
	// method: by Recv if it holds shared objects, by RecvFile if it is a file. It
	// stays and can be received.
	ErrMessageKind = errors.New("message is of another kind")

	// ErrDescriptors means that a message arrived without the descriptors that
	// belong to it. The message is lost, those after it are not.
	ErrDescriptors = errors.New("message without its descriptors")
)

// A ShortBufferError is returned by RecvInto for a message that is longer than
// the buffer. It is an io.ErrShortBuffer. (Python's BufferTooShort.)
type ShortBufferError struct {
	Message []byte // the whole message
}

func (e *ShortBufferError) Error() string {
	return fmt.Sprintf("%v for a message of %d bytes", io.ErrShortBuffer, len(e.Message))
}

// Unwrap returns io.ErrShortBuffer.
func (e *ShortBufferError) Unwrap() error { return io.ErrShortBuffer }
