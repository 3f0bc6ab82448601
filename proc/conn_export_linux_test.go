package proc

import (
	"context"
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// SendStray sends descriptors of a message that is never published.
func SendStray(c *Conn, files ...*os.File) error {
	return c.sock.send(context.Background(), 1, files)
}

// SendFrame publishes a message that no Conn writes: b as it is.
func SendFrame(c *Conn, b []byte) error { return c.tx.Send(context.Background(), b) }

// SendWithout publishes a file without its descriptor, with or without a datagram of
// its number.
func SendWithout(c *Conn, datagram bool) error {
	c.number++
	list, err := (&besides{Number: c.number, Files: 1}).encode()
	if err != nil {
		return err
	}
	if datagram {
		tag := binary.LittleEndian.AppendUint64(nil, c.number)
		err = nil
		if cerr := c.sock.raw.Control(func(fd uintptr) { err = unix.Sendmsg(int(fd), tag, nil, nil, 0) }); cerr != nil {
			return cerr
		}
		if err != nil {
			return err
		}
	}
	room := make([]byte, frameSize([]byte("name"), list))
	putFrame(room, kindFile, []byte("name"), list)
	return SendFrame(c, room)
}

// ParseFrame reads what came over a ring as a receiver does: the kind, and how much of
// it is body and list.
func ParseFrame(b []byte) (kind byte, body, list int, err error) {
	f, err := parseFrame(b)
	return byte(f.kind), len(f.body), len(f.list), err
}

// ParseList reads the list of a message.
func ParseList(b []byte) (files int, err error) {
	var l besides
	err = l.decode(b)
	return l.Files, err
}
