//go:build !explore

package futex

import (
	"context"
	"os"
	"runtime/debug"
	"testing"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A file is truncated under its sleepers: they return, whether they sleep in
// the kernel or behind one who does.
func TestTruncatedWhileAsleep(t *testing.T) {
	ways(t, func(t *testing.T) {
		page := os.Getpagesize()
		fd, err := unix.MemfdCreate("futex-test", unix.MFD_CLOEXEC)
		require.NoError(t, err)
		f := os.NewFile(uintptr(fd), "futex-test")
		defer f.Close()
		require.NoError(t, f.Truncate(int64(2*page)))
		m, err := mem.Map(f, 2*page, mem.Options{Truncatable: true})
		require.NoError(t, err)
		defer func() { require.NoError(t, m.Close()) }()
		first := (*mem.Uint32)(unsafe.Pointer(&m.Bytes()[0]))
		lost := (*mem.Uint32)(unsafe.Pointer(&m.Bytes()[page]))

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		guarded := func(sleep func() error) <-chan error {
			return start(func() error {
				debug.SetPanicOnFault(true)
				return sleep()
			})
		}
		done := []<-chan error{guarded(func() error { return Sleep(context.Background(), lost, 0, nil) })}
		awaitSleepers(t, lost, 1)
		done = append(done, guarded(func() error { return Sleep(ctx, lost, 0, nil) }))
		await(t, func() bool { return followers(lost) == 1 })
		done = append(done, guarded(func() error { return SleepAny(context.Background(), []Word{{first, 0}, {lost, 0}}, nil) }))
		awaitSleepers(t, first, 1)
		require.NoError(t, f.Truncate(int64(page)))
		for i, d := range done {
			if err := result(t, d); err != nil {
				require.ErrorIs(t, err, ErrFault, "sleeper %d", i)
			}
		}
		// Nothing of them is left: whoever comes now is not behind a ghost.
		require.ErrorIs(t, <-guarded(func() error { return Sleep(context.Background(), lost, 0, nil) }), ErrFault)
		require.NoError(t, f.Truncate(int64(2*page)))
		again := guarded(func() error { return Sleep(context.Background(), lost, 0, nil) })
		awaitSleepers(t, lost, 1)
		require.Equal(t, 1, Wake(lost, 1))
		require.NoError(t, result(t, again))
	})
}
