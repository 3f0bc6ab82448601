package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/semaphore"
)

// stream is a contender that moves bytes through the kernel: one write a
// message; the receiver of small ones reads through a buffer, as one would.
type stream struct {
	out   io.Writer
	in    io.Reader
	order *order
}

// pipes connect the two sides by two pipes.
func pipes(*order) (*link, error) {
	forthR, forthW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	l := &link{a: []*os.File{forthW}, b: []*os.File{forthR}}
	backR, backW, err := os.Pipe()
	if err != nil {
		l.close()
		return nil, err
	}
	l.a, l.b = []*os.File{backR, forthW}, []*os.File{forthR, backW}
	return l, nil
}

// overPipe opens the pipes as a child gets them from os/exec: blocking. With
// poll they are put under the runtime's poller, as os.Pipe's are in the
// process that made them.
func overPipe(poll bool) func(o *order) (*stream, error) {
	return func(o *order) (*stream, error) {
		if poll {
			for fd := 3; fd <= 4; fd++ {
				if err := syscall.SetNonblock(fd, true); err != nil {
					return nil, err
				}
			}
		}
		return &stream{in: o.file(0), out: o.file(1), order: o}, nil
	}
}

func overSocket(o *order) (*stream, error) {
	f := o.file(0)
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return &stream{in: conn, out: conn, order: o}, nil
}

func streamPair(name string, connect func(*order) (*link, error), open func(o *order) (*stream, error)) *pair {
	return &pair{
		name: name,
		link: connect,
		a: func(o *order) (*outcome, error) {
			s, err := open(o)
			if err != nil {
				return nil, err
			}
			return s.measuring()
		},
		b: func(o *order) (*outcome, error) {
			s, err := open(o)
			if err != nil {
				return nil, err
			}
			return nil, unlessLeft(s.serving())
		},
	}
}

func (s *stream) measuring() (*outcome, error) {
	in, out := make([]byte, s.order.Size), make([]byte, s.order.Size)
	var number uint64
	if s.order.Job == jobLatency {
		return s.order.measure(func(n int) error {
			for range n {
				number++
				binary.NativeEndian.PutUint64(out, number)
				if _, err := s.out.Write(out); err != nil {
					return err
				}
				if _, err := io.ReadFull(s.in, in); err != nil {
					return err
				}
				if err := checkNumber(in, number); err != nil {
					return err
				}
			}
			return nil
		})
	}
	from := s.in
	if len(in) < bufferBytes {
		from = bufio.NewReaderSize(s.in, bufferBytes)
	}
	return s.order.measure(func(n int) error {
		for range n {
			number++
			if _, err := io.ReadFull(from, in); err != nil {
				return err
			}
			if err := checkNumber(in, number); err != nil {
				return err
			}
		}
		return nil
	})
}

const bufferBytes = 64 << 10

func (s *stream) serving() error {
	p := make([]byte, s.order.Size)
	for number := uint64(1); ; number++ {
		if s.order.Job == jobLatency {
			if _, err := io.ReadFull(s.in, p); err != nil {
				return err
			}
		} else {
			binary.NativeEndian.PutUint64(p, number)
		}
		if _, err := s.out.Write(p); err != nil {
			return err
		}
	}
}

// unlessLeft turns the news that the measuring side has gone into nil: it was
// content, or tells its own error.
func unlessLeft(err error) error {
	for _, left := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, syscall.ECONNRESET, ringbuf.ErrPeerDied, ringbuf.ErrNoConsumer, semaphore.ErrBroken} {
		if errors.Is(err, left) {
			return nil
		}
	}
	return err
}

// checkNumber checks that message p carries the number want: every contender
// proves that it moved what was sent, in order.
func checkNumber(p []byte, want uint64) error {
	if got := binary.NativeEndian.Uint64(p); got != want {
		return wrongNumber(got, want)
	}
	return nil
}

func wrongNumber(got, want uint64) error { return fmt.Errorf("message %d arrived as %d", want, got) }
