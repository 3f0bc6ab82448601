package shm_test

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

const nobody = 65534

// Tries everything on a named segment, a named value and an anonymous segment (a file of
// another process) that another user must not be able to do.
var _ = testproc.Helper("shm.otherUser", func(c *testproc.Child) {
	segment, value, anonymous := c.Args[0], c.Args[1], c.Args[2]
	require.NoError(c, syscall.Setgid(nobody))
	require.NoError(c, syscall.Setuid(nobody))
	refused := func(err error) {
		require.Error(c, err)
		require.ErrorIs(c, err, os.ErrPermission)
	}
	for _, o := range []*shm.OpenOptions{nil, {ReadOnly: true}} {
		_, err := shm.Open(context.Background(), segment, o)
		refused(err)
		_, err = shm.OpenValue[int64](context.Background(), value, o)
		refused(err)
	}
	for _, exist := range []shm.Exist{shm.ExistOpen, shm.ExistReplace} {
		_, err := shm.Create(segment, 4096, &shm.Options{Exist: exist})
		refused(err)
	}
	refused(shm.Unlink(segment))
	refused(os.Truncate(shmDir+segment, 1))
	refused(os.Rename(shmDir+segment, shmDir+segment+"-mine"))
	// A second name would keep the memory when the first is removed.
	if protected, err := os.ReadFile("/proc/sys/fs/protected_hardlinks"); err == nil && string(protected) == "1\n" {
		refused(os.Link(shmDir+segment, shmDir+segment+"-mine"))
	}
	_, err := os.Open(anonymous)
	refused(err)
})

// Another user can neither open nor remove nor shrink what belongs to this one.
func TestOtherUsers(t *testing.T) {
	testproc.Need(t, "root, to be another user", os.Geteuid() == 0)
	name, valueName := newName(t), newName(t)
	defer unix.Umask(unix.Umask(0)) // which lets everybody in where the mode does not say otherwise
	s := segment(t, name, 4096)
	v := must[*shm.Value[int64]](t)(shm.NewValue[int64](valueName, 7, nil))
	anonymous := segment(t, "", 4096)
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), anonymous.File().Fd())
	testproc.Start(t, "shm.otherUser", testproc.Args(name, valueName, path)).Succeed()
	n, err := v.Load()
	require.NoError(t, err)
	require.Equal(t, int64(7), n)
	require.FileExists(t, shmDir+name)
	require.Equal(t, 4096, s.Size())
}
