package shmfile_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
)

func TestWaitSeesTheCreation(t *testing.T) {
	name := testproc.Name(t)
	opened := make(chan error)
	go func() {
		f, err := shmfile.Open(t.Context(), name, shmfile.OpenOptions{Wait: true})
		if err == nil {
			b := make([]byte, 4)
			_, err = f.ReadAt(b, 0)
			if err == nil && string(b) != "full" {
				err = errors.New("seen half made: " + string(b)) // X09
			}
			f.Close()
		}
		opened <- err
	}()
	create(t, name, 100, shmfile.Options{Fill: write("full")})
	require.NoError(t, <-opened)
}

var _ = testproc.Helper("opener", func(c *testproc.Child) {
	for range 1000 {
		f, err := shmfile.Open(context.Background(), c.Args[0], shmfile.OpenOptions{Wait: true})
		require.NoError(c, err)
		b := make([]byte, 5)
		_, err = f.ReadAt(b, 995)
		require.NoError(c, err)
		require.Equal(c, "whole", string(b))
		require.NoError(c, f.Close())
	}
})

// X09
func TestNobodySeesItHalfMade(t *testing.T) {
	name := testproc.Name(t)
	t.Cleanup(func() { os.Remove(shmDir + name) })
	opener := testproc.Start(t, "opener", testproc.Args(name))
	made := 0
	for opening := true; opening; {
		select {
		case <-opener.Exited():
			opening = false
		default:
		}
		f, _, err := shmfile.Create(name, 1000, shmfile.Options{Exist: shmfile.Replace, Fill: func(f *os.File) error {
			_, err := f.WriteAt([]byte("whole"), 995)
			return err
		}})
		if errors.Is(err, shmfile.ErrBusy) {
			continue // the opener has it
		}
		require.NoError(t, err)
		made++
		require.NoError(t, f.Close())
	}
	opener.Succeed()
	t.Logf("%d objects", made)
}

func TestWaitPassesOverAnEmptyFile(t *testing.T) {
	// Another library's creator: first the name, then the size.
	name := testproc.Name(t)
	foreign, err := os.Create(shmDir + name)
	require.NoError(t, err)
	t.Cleanup(func() { os.Remove(shmDir + name); foreign.Close() })
	opened := make(chan error)
	go func() {
		f, err := shmfile.Open(t.Context(), name, shmfile.OpenOptions{Wait: true})
		if err == nil {
			f.Close()
		}
		opened <- err
	}()
	require.NoError(t, foreign.Truncate(100))
	require.NoError(t, <-opened)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	name := testproc.Name(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() {
		_, err := shmfile.Open(ctx, name, shmfile.OpenOptions{Wait: true})
		ended <- err
	}()
	cancel(nil)
	err := <-ended
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, shmfile.ErrNotExist)

	_, err = shmfile.Open(ctx, name, shmfile.OpenOptions{Wait: true})
	require.ErrorIs(t, err, context.Canceled)
	create(t, name, 100, shmfile.Options{})
	f, err := shmfile.Open(ctx, name, shmfile.OpenOptions{Wait: true})
	require.NoError(t, err, "what exists needs no waiting")
	require.NoError(t, f.Close())
}
