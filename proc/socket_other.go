//go:build !linux

package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
)

// socket carries the descriptors of messages; see socket_linux.go.
type socket struct{ file *os.File }

var errSocketGone = errors.New("socket for descriptors has no reader")

func newSockets() (a, b *socket, err error) {
	return nil, nil, fmt.Errorf("pipes on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func newSocket(f *os.File) (*socket, error) {
	f.Close()
	return nil, fmt.Errorf("pipes on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func (s *socket) close()  {}
func (s *socket) hold()   {}
func (s *socket) resume() {}

func (s *socket) send(context.Context, uint64, []*os.File) error { return errors.ErrUnsupported }

func (s *socket) receive(uint64, int) ([]int, error) { return nil, errors.ErrUnsupported }

func closeAll([]int) {}
