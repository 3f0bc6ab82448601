//go:build !linux

package shm

import "errors"

func prefault(b []byte, readOnly bool) error { return errors.ErrUnsupported }

func memlockError(err error) error { return err }
