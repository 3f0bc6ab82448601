//go:build !linux

package shm

import "errors"

func adviseHuge(b []byte) {}

func hugeBytes(b []byte) (int, error) { return 0, errors.ErrUnsupported }
