//go:build !linux

package main

import "errors"

func rawSegment() error { return errors.ErrUnsupported }

func minorFaults() int64 { return 0 }
