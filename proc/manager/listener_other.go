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

func listenAt(string, []byte, identity, *os.File) (*listener, error) {
	return nil, fmt.Errorf("listen: %w", errors.ErrUnsupported)
}

func knock(context.Context, string, []byte) (id identity, _ *os.File, err error) {
	return id, nil, fmt.Errorf("connect: %w", errors.ErrUnsupported)
}
