package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
)

type traced struct{}

func (traced) Error() string { return "short" }

func (traced) Format(s fmt.State, verb rune) {
	fmt.Fprint(s, "short")
	if verb == 'v' && s.Flag('+') {
		fmt.Fprint(s, "\nand the stack")
	}
}

var fails = pool.RegisterTask("fails", func(_ context.Context, way string) (int, error) {
	switch way {
	case "traced":
		return 0, traced{}
	case "file":
		_, err := os.Open("/nowhere")
		return 0, err
	case "number":
		return 0, os.NewSyscallError("call", syscall.EXDEV)
	case "context":
		return 0, fmt.Errorf("inner: %w", context.DeadlineExceeded)
	}
	return 0, errors.New(way)
})

// O15, F11, F24, F03: errors arrive with their text and detail, and are what they were.
func TestErrorsO15F11F24(t *testing.T) {
	p := newPool(t, 1, nil)
	ctx := watchdog(t)
	_, err := fails.Apply(ctx, p, "traced")
	var remote *pool.RemoteError
	require.ErrorAs(t, err, &remote)
	require.Equal(t, "short", remote.Error())
	require.Equal(t, "short\nand the stack", remote.Detail)
	require.Equal(t, "pool_test.traced", remote.Type)
	require.Equal(t, "fails", remote.Task)
	require.Equal(t, p.Stats().PerWorker[0].PID, remote.PID)
	_, err = fails.Apply(ctx, p, "file")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorIs(t, err, syscall.ENOENT)
	_, err = fails.Apply(ctx, p, "number")
	require.ErrorIs(t, err, syscall.EXDEV)
	require.NotErrorIs(t, err, os.ErrNotExist)
	_, err = fails.Apply(ctx, p, "context")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Panics(t, func() { proc.RegisterError("odd", errInput) })
	require.Panics(t, func() { pool.RegisterTask("square", square1) })
	require.Panics(t, func() { pool.RegisterTask("", square1) })
}

func square1(context.Context, int) (int, error) { return 0, nil }
