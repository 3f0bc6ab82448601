package proc

import (
	"context"
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
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

// Datagrams takes all that is in the Conn's socket, and returns how many there were.
func Datagrams(c *Conn) (n int) {
	c.sock.raw.Control(func(fd uintptr) {
		for {
			_, _, err := unix.Recvfrom(int(fd), make([]byte, 9), unix.MSG_DONTWAIT)
			if err == unix.EAGAIN {
				return
			}
			if err == nil {
				n++
			}
		}
	})
	return n
}

// SendFlipping publishes messages whose bytes, those of the header among them, change while
// they are received, and datagrams that belong to none or do not hold what they should. It
// returns when the other end has been closed.
func SendFlipping(c *Conn, f *os.File) error {
	ctx := context.Background()
	for i := 0; ; i++ {
		kind := kindBytes + messageKind(i%3)
		b := besides{Number: c.number + uint64(i), Files: i % 4, Handles: handle.Table{{Kind: "file", File: i%4 - 1}, {Kind: kindConn, File: 2}}}
		list, err := b.encode()
		if err != nil {
			return err
		}
		if i%2 == 0 && kind != kindFile {
			list = nil
		}
		body, err := codec.Marshal([]any{[]byte{byte(i % 3)}, "text", i})
		if err != nil {
			return err
		}
		room, err := c.tx.Reserve(ctx, frameSize(body, list))
		if err != nil {
			return nil
		}
		putFrame(room, kind, body, list)
		for range i % 3 {
			brief, cancel := context.WithTimeout(ctx, time.Millisecond)
			err = c.sock.send(brief, b.Number-uint64(i%5/4), []*os.File{f, f}[:1+i%2])
			cancel()
			if err == errSocketGone {
				return nil
			}
		}
		if err := c.tx.Commit(len(room)); err != nil {
			return nil
		}
		for k := range i % 500 {
			room[(k*7+i)%len(room)] ^= byte(1 << (k % 8))
		}
		putFrame(room, kind, body, list) // or the other end comes no further
	}
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
