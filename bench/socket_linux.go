package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// sockets connect the two sides by a pair of Unix stream sockets.
func sockets(*order) (*link, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a pair of sockets: %w", err)
	}
	return &link{
		a: []*os.File{os.NewFile(uintptr(fds[0]), "socket a")},
		b: []*os.File{os.NewFile(uintptr(fds[1]), "socket b")},
	}, nil
}
