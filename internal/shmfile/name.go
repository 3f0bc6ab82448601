package shmfile

import (
	"fmt"
	"path/filepath"
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

// CheckPath returns an error that wraps ErrName unless path is absolute and clean
// and could be that of a file.
func CheckPath(path string) error {
	switch {
	case !filepath.IsAbs(path):
		return fmt.Errorf("%w: %q is not an absolute path", ErrName, path)
	case strings.Contains(path, "\x00"):
		return fmt.Errorf("%w: %q contains NUL", ErrName, path)
	case filepath.Clean(path) != path || path == "/":
		return fmt.Errorf("%w: %q does not name a file", ErrName, path)
	}
	return nil
}
