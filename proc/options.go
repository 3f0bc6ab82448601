package proc

import (
	"context"
	"os"
)

// Options are how a process is started. The zero value is ready to use.
type Options struct {
	// Name is for people; it need not be unique. By default it is the name of
	// the function and a number, such as "worker-3", and in children of
	// children the path of numbers, such as "worker-3:1".
	Name string

	// Daemon says whether the child is killed when this process ends, however
	// it ends. A daemon may not have children of its own.
	Daemon bool

	// Cancel, when done, kills the child (SIGKILL), as the context of
	// exec.CommandContext does. The ctx of Start only bounds the start.
	Cancel context.Context

	// Stdin, Stdout and Stderr are given to the child, which gets descriptors
	// of its own. Nil means nothing to read for Stdin, and os.Stdout and
	// os.Stderr for the others. What is closed here is the null device there.
	// As with os/exec, they are put into blocking mode.
	Stdin, Stdout, Stderr *os.File

	// AuthKey is the child's Process.AuthKey, nil for this process's.
	AuthKey []byte

	// Env is the child's environment as "key=value", nil for this process's.
	Env []string

	// Dir is the child's working directory, "" for this process's.
	Dir string
}

func (o *Options) environ() []string {
	if o.Env == nil {
		return os.Environ()
	}
	return o.Env
}
