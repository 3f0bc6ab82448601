package shm_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

// arrive attaches to what a file holds, as if it had come as an argument.
func arrive(t require.TestingT, kind string, f *os.File, unmarshal func([]byte) error) {
	f, err := handle.Dup(f) // what crossing to another process does
	require.NoError(t, err)
	ref, handles, err := handle.Encode(func() ([]byte, error) {
		return handle.Put(handle.Handle{Kind: kind, File: f}, handle.Options{})
	})
	require.NoError(t, err)
	require.NoError(t, handle.Decode(context.Background(), ref, handles, unmarshal))
}

// arriveNamed lets s arrive in this process, with its name.
func arriveNamed(t *testing.T, s *shm.Segment, unmarshal func([]byte) error) {
	t.Helper()
	data, hs, err := handle.Encode(s.MarshalBinary)
	require.NoError(t, err)
	hs[0].File, err = handle.Dup(hs[0].File) // what crossing to another process does
	require.NoError(t, err)
	require.NoError(t, handle.Decode(context.Background(), data, hs, unmarshal))
}

// A consumer that tries everything to store in what it was sent.
var _ = testproc.Helper("cheat", func(c *testproc.Child) {
	f := c.Files[0]
	var s shm.Segment
	arrive(c, "shm.segment", f, s.UnmarshalBinary)
	require.True(c, s.ReadOnly())
	require.Equal(c, "truth", string(s.Bytes()[:5]))
	_, err := s.WriteAt([]byte("lie"), 0)
	require.ErrorIs(c, err, shm.ErrReadOnly)
	require.ErrorIs(c, s.Grow(context.Background(), 1<<20), shm.ErrReadOnly)
	require.ErrorIs(c, s.Reserve(0, 100), shm.ErrReadOnly)

	again := func() *os.File {
		g, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_RDWR, 0)
		require.NoError(c, err, "which the kernel allows, and is of no use")
		return g
	}()
	parents, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/%s", os.Getppid(), c.Args[0]), os.O_RDWR, 0)
	require.NoError(c, err)
	for what, g := range map[string]*os.File{"the descriptor": f, "opened again": again, "the creator's": parents} {
		fd := int(g.Fd())
		for prot, errno := range map[int]error{
			unix.PROT_WRITE:                  unix.EPERM,
			unix.PROT_READ | unix.PROT_WRITE: unix.EPERM,
		} {
			_, err := unix.Mmap(fd, 0, 4096, prot, unix.MAP_SHARED)
			require.ErrorIs(c, err, errno, what)
		}
		b, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
		require.NoError(c, err, what)
		require.ErrorIs(c, unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE), unix.EACCES, what)
		_, err = unix.Pwrite(fd, []byte("lie"), 0)
		require.ErrorIs(c, err, unix.EPERM, what)
		require.ErrorIs(c, unix.Ftruncate(fd, 0), unix.EPERM, what)
		require.ErrorIs(c, unix.Ftruncate(fd, 1<<20), unix.EPERM, what)
		require.ErrorIs(c, unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4096), unix.EPERM, what)
		_, err = unix.FcntlInt(g.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE)
		require.ErrorIs(c, err, unix.EPERM, what)
		// A private copy is its own affair.
		private, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
		require.NoError(c, err, what)
		copy(private, "lie")
		require.Equal(c, "truth", string(s.Bytes()[:5]))
	}
	// Our own map, too.
	require.ErrorIs(c, unix.Mprotect(s.Bytes(), unix.PROT_READ|unix.PROT_WRITE), unix.EACCES)
	c.WriteLine("no way")
	c.ReadLine()
	require.Equal(c, "later", string(s.Bytes()[:5]), "what the creator stores is seen")
	require.NoError(c, s.Close())
})

func TestSealedSegment(t *testing.T) {
	s := must[*shm.Segment](t)(shm.Create("", 4096, &shm.Options{Seal: true}))
	require.False(t, s.ReadOnly())
	copy(s.Bytes(), "truth")
	p := testproc.Start(t, "cheat", testproc.Files(s.File()), testproc.Args(itoa(int(s.File().Fd()))))
	p.Expect("no way")
	n, err := s.WriteAt([]byte("later"), 0)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	p.WriteLine("go on")
	p.Succeed()
}

// A value of a creator who alone may store.
func TestSealedValue(t *testing.T) {
	v := must[*shm.Value[block]](t)(shm.NewValue("", blockOf(1), &shm.Options{Seal: true}))
	var r shm.Value[block]
	arrive(t, "shm.value", v.File(), r.UnmarshalBinary)
	require.True(t, r.ReadOnly())
	require.NoError(t, v.Store(blockOf(2)))
	require.Equal(t, uint64(2), whole(t, load(t, &r)))
	require.ErrorIs(t, r.Store(blockOf(3)), shm.ErrReadOnly)
	require.NoError(t, v.Close())
	require.Equal(t, uint64(2), whole(t, load(t, &r)), "it stays as it is")
	require.NoError(t, r.Close())
}

func TestOptionsThatDoNotGoTogether(t *testing.T) {
	name := newName(t)
	for what, o := range map[string]shm.Options{
		"seal and grow":   {Seal: true, Grow: true},
		"huge and sparse": {Huge: shm.HugeTry, Sparse: true},
		"huge and grow":   {Huge: shm.HugeTry, Grow: true},
		"no such huge":    {Huge: 9},
		"mode":            {Mode: 0o4700},
	} {
		_, err := shm.Create("", 100, &o)
		require.ErrorIs(t, err, shm.ErrOptions, what)
	}
	for what, o := range map[string]shm.Options{"seal": {Seal: true}, "huge only": {Huge: shm.HugeOnly}} {
		_, err := shm.Create(name, 100, &o)
		require.ErrorIs(t, err, shm.ErrOptions, what)
		_, err = shm.NewValue(name, 1, &o)
		require.ErrorIs(t, err, shm.ErrOptions, what)
	}
	for _, o := range []shm.Options{{Sparse: true}, {Grow: true}} {
		_, err := shm.NewArray[int]("", 3, &o)
		require.ErrorIs(t, err, shm.ErrOptions)
	}
	require.NoFileExists(t, shmDir+name)
}

func TestModesAndGroups(t *testing.T) {
	old := unix.Umask(0o777)
	defer unix.Umask(old)
	o := &shm.Options{Mode: 0o664, Group: unix.Getegid()}
	for i, create := range []func(name string) (closer, error){
		func(name string) (closer, error) { return shm.Create(name, 100, o) },
		func(name string) (closer, error) { return shm.NewValue(name, 1, o) },
		func(name string) (closer, error) { return shm.NewArray[int](name, 3, o) },
		func(name string) (closer, error) { return shm.NewObject[int](name, o) },
		func(name string) (closer, error) {
			return shm.NewShareableList(name, &shm.ListOptions{Mode: o.Mode, Group: o.Group}, 1)
		},
	} {
		name := newName(t)
		must[closer](t)(create(name))
		var st unix.Stat_t
		require.NoError(t, unix.Stat(shmDir+name, &st))
		require.Equal(t, uint32(0o664), st.Mode&0o7777, "%d", i)
	}
}

// A process without privileges.
var _ = testproc.Helper("nobody", func(c *testproc.Child) {
	if os.Getuid() == 0 {
		require.NoError(c, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 64 << 10, Max: 64 << 10}))
		require.NoError(c, unix.Setgroups(nil))
		require.NoError(c, unix.Setregid(65534, 65534))
		require.NoError(c, unix.Setreuid(65534, 65534))
	}
	_, err := shm.Create(c.Args[0], 100, &shm.Options{Group: 1})
	require.ErrorIs(c, err, os.ErrPermission)
	require.ErrorContains(c, err, "group 1")
	s, err := shm.Create("", 64<<20, &shm.Options{Sparse: true})
	require.NoError(c, err)
	var limit unix.Rlimit
	require.NoError(c, unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit))
	if limit.Cur < 64<<20 {
		err = s.Mlock()
		require.ErrorIs(c, err, unix.ENOMEM)
		require.ErrorContains(c, err, "RLIMIT_MEMLOCK lets this process lock "+itoa(int(limit.Cur))+" bytes")
	}
	// What others may not open is refused, and stays.
	_, err = shm.Open(context.Background(), c.Args[1], nil)
	if os.Getenv("FOREIGN") != "" {
		require.ErrorIs(c, err, os.ErrPermission)
		r, err := shm.Open(context.Background(), c.Args[2], &shm.OpenOptions{ReadOnly: true})
		require.NoError(c, err)
		_, err = shm.Open(context.Background(), c.Args[2], nil)
		require.ErrorIs(c, err, os.ErrPermission)
		require.NoError(c, r.Close())
	}
	require.NoError(c, s.Close())
})

func TestWithoutPrivileges(t *testing.T) {
	closed, readable := newName(t), newName(t)
	segment(t, closed, 100)
	must[*shm.Segment](t)(shm.Create(readable, 100, &shm.Options{Mode: 0o644}))
	opts := []testproc.Option{testproc.Args(newName(t), closed, readable)}
	if os.Getuid() == 0 {
		opts = append(opts, testproc.Env("FOREIGN=1"))
	}
	testproc.Start(t, "nobody", opts...).Succeed()
}
