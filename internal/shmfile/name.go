package shmfile

import (
	"fmt"
	"strings"
)

const maxName = 255 // NAME_MAX of tmpfs, bytes

// CheckName returns an error that wraps ErrName unless name can be the name of
// an object. Any byte but NUL and the slash is allowed, newlines included.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: empty", ErrName)
	case name == "." || name == "..":
		return fmt.Errorf("%w: %q", ErrName, name)
	case len(name) > maxName:
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrName, len(name), maxName)
	case strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("%w: %q contains a slash or NUL", ErrName, name)
	}
	return nil
}
