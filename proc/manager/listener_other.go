//go:build !linux

package manager

import (
	"context"
	"errors"
	"fmt"
	"os"
)

type listener struct{}

func (*listener) close() {}

func (*listener) open([]byte, identity, *os.File) {}

func listenAt(string) (*listener, error) {
	return nil, fmt.Errorf("listen: %w", errors.ErrUnsupported)
}

func knock(context.Context, string, []byte) (id identity, _ *os.File, err error) {
	return id, nil, fmt.Errorf("connect: %w", errors.ErrUnsupported)
}
