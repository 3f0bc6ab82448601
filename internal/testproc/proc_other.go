//go:build !linux

package testproc

import (
	"errors"
	"os"
	"os/exec"
)

const supported = false

var (
	killSignal = os.Kill
	stopSignal = os.Kill
	contSignal = os.Kill
	quitSignal = os.Kill
)

func startBound(cmd *exec.Cmd) error { return errors.ErrUnsupported }

func closeOnExec(fd uintptr) {}

func waitStopped(pid int) bool { return false }
