package manager

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How a process that has nothing of a manager comes to its exchange: through a Unix socket.
// Each side sends a random challenge and answers the other's with its HMAC under the key,
// with the side's name in front so that no answer can be sent back (as Python's
// deliver_challenge and answer_challenge, but both at once). Then the server sends its
// identity, with the descriptor of the exchange beside it, and closes.
//
// Who connects has listenPatience for all of it, and everybody has a goroutine of his own,
// so nobody who is slow or says nothing keeps others out.

const (
	challengeSize  = 32
	listenPatience = 10 * time.Second
	listenCrowd    = 64 // who is being answered at a time
)

type listener struct {
	l        *net.UnixListener
	closing  chan struct{}
	answerer sync.WaitGroup
}

// listenAt takes an address until close. Who comes waits until open.
func listenAt(address string) (*listener, error) {
	addr := &net.UnixAddr{Name: address, Net: "unix"}
	l, err := net.ListenUnix("unix", addr)
	if errors.Is(err, syscall.EADDRINUSE) && address[0] != '@' && deserted(addr) {
		// Its server was killed; a server that ends in order removes it.
		if err = os.Remove(address); err == nil || os.IsNotExist(err) {
			l, err = net.ListenUnix("unix", addr)
		}
	}
	if err != nil {
		return nil, err
	}
	if address[0] != '@' {
		if err := os.Chmod(address, 0o600); err != nil {
			l.Close()
			return nil, err
		}
	}
	return &listener{l: l, closing: make(chan struct{})}, nil
}

// open lets those in who come, if they have the key.
func (n *listener) open(key []byte, id identity, exchange *os.File) {
	n.answerer.Go(func() { n.attend(key, id, exchange) })
}

// deserted says whether nobody listens at a socket that is there.
func deserted(addr *net.UnixAddr) bool {
	c, err := net.DialUnix("unix", nil, addr)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

func (n *listener) attend(key []byte, id identity, exchange *os.File) {
	crowd := make(chan struct{}, listenCrowd)
	for {
		c, err := n.l.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // no descriptors left, for example
			time.Sleep(10 * time.Millisecond) // the kernel does not say when there are again
			continue
		}
		select {
		case crowd <- struct{}{}:
		case <-n.closing:
			c.Close()
			return
		}
		go func() {
			defer func() { <-crowd }()
			defer c.Close()
			_ = admit(c, key, id, exchange) // the other side has the error
		}()
	}
}

func (n *listener) close() {
	close(n.closing)
	n.l.Close()
	n.answerer.Wait()
}

// admit answers one who has connected.
func admit(c *net.UnixConn, key []byte, id identity, exchange *os.File) error {
	c.SetDeadline(time.Now().Add(listenPatience))
	if err := authenticate(c, key, "server", "client"); err != nil {
		return err
	}
	raw, err := exchange.SyscallConn()
	if err != nil {
		return err
	}
	sent := errors.New("not sent")
	if err := raw.Control(func(fd uintptr) {
		_, _, sent = c.WriteMsgUnix(id[:], unix.UnixRights(int(fd)), nil)
	}); err != nil {
		return err
	}
	return sent
}

// authenticate shows the other side that this one has the key, and has the other show it.
func authenticate(c net.Conn, key []byte, me, other string) error {
	mine := make([]byte, challengeSize)
	rand.Read(mine) // never fails
	if _, err := c.Write(mine); err != nil {
		return err
	}
	theirs := make([]byte, challengeSize)
	if _, err := io.ReadFull(c, theirs); err != nil {
		return err
	}
	if _, err := c.Write(answer(key, me, theirs)); err != nil {
		return err
	}
	proof := make([]byte, sha256.Size)
	if _, err := io.ReadFull(c, proof); err != nil {
		return fmt.Errorf("%w: %w", ErrAuth, err)
	}
	if !hmac.Equal(proof, answer(key, other, mine)) {
		return ErrAuth
	}
	return nil
}

func answer(key []byte, who string, challenge []byte) []byte {
	h := hmac.New(sha256.New, key)
	io.WriteString(h, "shmkit manager "+who+" ")
	h.Write(challenge)
	return h.Sum(nil)
}

// knock asks who listens at an address for the exchange.
func knock(ctx context.Context, address string, key []byte) (id identity, _ *os.File, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", address)
	if err != nil {
		return id, nil, err
	}
	c := conn.(*net.UnixConn)
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	f, err := fetch(c, key, &id)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return id, f, err
}

func fetch(c *net.UnixConn, key []byte, id *identity) (*os.File, error) {
	if err := authenticate(c, key, "client", "server"); err != nil {
		return nil, err
	}
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := c.ReadMsgUnix(id[:], oob)
	switch {
	case err == io.EOF || err == nil && n == 0:
		return nil, fmt.Errorf("%w: the manager has not accepted the key", ErrAuth)
	case err != nil:
		return nil, err
	}
	var fds []int
	if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil && len(messages) == 1 {
		fds, _ = unix.ParseUnixRights(&messages[0])
	}
	if n != len(id) || len(fds) != 1 {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return nil, fmt.Errorf("%w: %d bytes and %d descriptors from the manager", ErrProtocol, n, len(fds))
	}
	unix.CloseOnExec(fds[0])
	return os.NewFile(uintptr(fds[0]), "manager"), nil
}
