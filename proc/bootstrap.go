package proc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
)

// bootstrap is the first and only message from parent to child.
type bootstrap struct {
	Func       string
	Arg        []byte
	Name       string
	Path       string // numbers of the ancestors and the child: "2:1"
	Daemon     bool
	ParentPID  int
	ParentName string
	AuthKey    []byte
	LogLevel   slog.Level
	Handles    handle.Table
}

func newBootstrap(fn string, arg []byte, o *Options) bootstrap {
	me := Current()
	path := nextPath(me)
	m := bootstrap{
		Func:       fn,
		Arg:        arg,
		Name:       o.Name,
		Path:       path,
		Daemon:     o.Daemon,
		ParentPID:  me.pid,
		ParentName: me.name,
		AuthKey:    o.AuthKey,
		LogLevel:   logLevel(),
	}
	if m.Name == "" {
		m.Name = fn + "-" + path
	}
	if m.AuthKey == nil {
		m.AuthKey = me.AuthKey()
	}
	return m
}

// send writes the message with its length in front.
func (m *bootstrap) send(w io.Writer) error {
	body, err := codec.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode bootstrap message: %w", err)
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(body)))); err != nil {
		return err
	}
	_, err = w.Write(body)
	return err
}

func receiveBootstrap(r io.Reader) (bootstrap, error) {
	var m bootstrap
	var size [8]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return m, err
	}
	n := binary.LittleEndian.Uint64(size[:])
	body, err := io.ReadAll(io.LimitReader(r, int64(n&(1<<62-1))))
	if err != nil {
		return m, err
	}
	if uint64(len(body)) != n {
		return m, io.ErrUnexpectedEOF
	}
	return m, codec.Unmarshal(body, &m)
}

// The child's answer is one of these bytes and, after a failure, its text.
const (
	ackStarted byte = iota + 1
	ackNotRegistered
	ackArgument
	ackFailed
)

// maxAck is small enough to be written and read whole in one system call.
const maxAck = 4096

func encodeAck(err error) []byte {
	if err == nil {
		return []byte{ackStarted}
	}
	code, text := ackFailed, err.Error()
	switch {
	case errors.Is(err, ErrNotRegistered):
		return []byte{ackNotRegistered}
	case errors.Is(err, ErrArgument):
		code, text = ackArgument, strings.TrimPrefix(text, ErrArgument.Error()+": ")
	}
	return append([]byte{code}, text[:min(len(text), maxAck-1)]...)
}

func decodeAck(ack []byte) error {
	switch text := string(ack[1:]); ack[0] {
	case ackStarted:
		return nil
	case ackNotRegistered:
		return ErrNotRegistered
	case ackArgument:
		return fmt.Errorf("%w: in the child: %s", ErrArgument, text)
	default:
		return fmt.Errorf("in the child: %s", text)
	}
}
