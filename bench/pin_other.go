//go:build !linux

package main

import (
	"errors"
	"fmt"
	"os/exec"
)

func allowedCPUs() ([]int, error) { return nil, nil }

func onCPU(cpu int, start func() error) error {
	if cpu < 0 {
		return start()
	}
	return pinThreads(cpu)
}

func pinThreads(cpu int) error {
	return fmt.Errorf("bind to processor %d: %w", cpu, errors.ErrUnsupported)
}

func dieWithParent(*exec.Cmd) {}
