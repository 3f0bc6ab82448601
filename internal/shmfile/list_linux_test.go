package shmfile_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
)

// list returns what List tells about names that contain part.
func list(t testing.TB, part string) []shmfile.Info {
	t.Helper()
	all, err := shmfile.List()
	require.NoError(t, err)
	var infos []shmfile.Info
	for _, i := range all {
		if strings.Contains(i.Name, part) {
			infos = append(infos, i)
		}
	}
	return infos
}

// elsewhere has Dir lead to a directory of the test's own.
func elsewhere(t testing.TB) string {
	old := shmfile.Dir
	dir, err := os.MkdirTemp(shmDir, testproc.Name(t))
	require.NoError(t, err)
	shmfile.Dir = dir
	t.Cleanup(func() { shmfile.Dir = old; require.NoError(t, os.RemoveAll(dir)) })
	return dir + "/"
}

// headed fills a file with a header.
func headed(kind shmfile.Kind, size int64) func(*os.File) error {
	return func(f *os.File) error {
		b, err := shmfile.NewHeader(shmfile.Spec{Kind: kind, Size: size})
		if err != nil {
			return err
		}
		_, err = f.WriteAt(b, 0)
		return err
	}
}

func TestListTellsAllThereIs(t *testing.T) {
	before := time.Now().Add(-time.Second)
	name := testproc.Name(t)
	f := create(t, name+"ring", 10000, shmfile.Options{Owner: shmfile.OwnerCreator, Fill: headed(shmfile.KindRing, 10000)})
	open(t, name+"ring")
	me := os.Getpid()

	i := list(t, name)[0]
	require.Equal(t, name+"ring", i.Name)
	require.Equal(t, "ring", i.Kind)
	require.Equal(t, int64(10000), i.Size)
	require.Equal(t, int64(12288), i.Allocated)
	require.Equal(t, fs.FileMode(0o600), i.Mode)
	require.Equal(t, []int{os.Getuid(), os.Getgid()}, []int{i.UID, i.GID})
	if !i.Created.IsZero() { // Linux 5.19
		require.WithinRange(t, i.Created, before, time.Now().Add(time.Second))
	}
	require.True(t, i.Ours)
	require.Equal(t, shmfile.OwnerCreator, i.Owner)
	require.Equal(t, me, i.Creator)
	require.Equal(t, []int{me}, i.Attached)
	require.False(t, i.Orphan)
	require.NoError(t, i.Err)

	require.NoError(t, f.Close())
	i = list(t, name)[0]
	require.Equal(t, shmfile.OwnerUsers, i.Owner, "the creator has gone")
	require.Equal(t, me, i.Creator, "as the header says")
	require.False(t, i.Orphan)
}

func TestListKinds(t *testing.T) {
	dir := elsewhere(t)
	create(t, "a", 10, shmfile.Options{})
	require.NoError(t, create(t, "b", 10, shmfile.Options{}).Close())
	require.NoError(t, create(t, "c", 10, shmfile.Options{Owner: shmfile.OwnerUsers}).Close())
	require.NoError(t, create(t, "d", 1000, shmfile.Options{Fill: headed(shmfile.KindValue, 1000)}).Close())
	require.NoError(t, create(t, "sem.e", 32, shmfile.Options{}).Close())
	for name, b := range map[string]string{"f": "", "g": "shmkit\r\n", "h": "shmkit\r\n" + strings.Repeat("\xff", 1000)} {
		require.NoError(t, os.WriteFile(dir+name, []byte(b), 0o600))
	}
	require.NoError(t, os.WriteFile(dir+"i", []byte("executable"), 0o600))
	require.NoError(t, os.Chmod(dir+"i", 0o777|fs.ModeSticky))
	// None of these is opened: a FIFO would wake its writer.
	require.NoError(t, unix.Mkfifo(dir+"x", 0o600))
	require.NoError(t, os.Mkdir(dir+"y", 0o700))
	require.NoError(t, os.Symlink(dir+"a", dir+"z"))

	var got []string
	for _, i := range list(t, "") {
		got = append(got, fmt.Sprint(i.Name, " ", i.Kind, " ", i.Ours, " ", i.Owner, " ", i.Orphan, " ", len(i.Attached), " ", i.Err != nil))
	}
	require.Equal(t, []string{
		"a segment true none false 1 false",
		"b file false none false 0 false",
		"c segment true users true 0 false",
		"d value true none false 0 false",
		"f file false none false 0 false",
		"g file true none false 0 true",
		"h file true none false 0 true",
		"i file false none false 0 false",
		"sem.e semaphore false none false 0 false",
	}, got)
	_, ok := shmfile.Stat("x")
	require.False(t, ok)
	_, ok = shmfile.Stat("nothing")
	require.False(t, ok)
	shmfile.Dir = dir + "missing"
	_, err := shmfile.List()
	require.ErrorIs(t, err, shmfile.ErrNoDirectory)
}

var _ = testproc.Helper("user", func(c *testproc.Child) {
	_, err := shmfile.Open(context.Background(), c.Args[0], shmfile.OpenOptions{ReadOnly: true})
	require.NoError(c, err)
	c.WriteLine("ready")
	c.Park()
})

func TestListSeesProcesses(t *testing.T) {
	name := testproc.Name(t)
	require.NoError(t, create(t, name, 10, shmfile.Options{Owner: shmfile.OwnerUsers}).Close())
	var pids []int
	for range 5 {
		p := testproc.Start(t, "user", testproc.Args(name))
		p.Expect("ready")
		pids = append(pids, p.PID)
		t.Cleanup(func() { p.Kill(); p.Wait() })
	}
	require.ElementsMatch(t, pids, list(t, name)[0].Attached)
}

// Whoever locks what in a file, List comes to an end, and takes nobody for a user
// that cannot be one.
func TestListMeetsStrangeLocks(t *testing.T) {
	name := testproc.Name(t)
	require.NoError(t, create(t, name, 10, shmfile.Options{}).Close())
	lock := func(kind int16, start, length int64) *os.File {
		f, err := os.OpenFile(shmDir+name, os.O_RDWR, 0)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		l := unix.Flock_t{Type: kind, Start: start, Len: length}
		require.NoError(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l))
		return f
	}
	lock(unix.F_WRLCK, 0, 1<<60) // of another program
	const base = 1 << 60
	lock(unix.F_RDLCK, base+7, 1)
	lock(unix.F_RDLCK, base+5, 10)
	lock(unix.F_RDLCK, base+1<<22+1, 1)
	lock(unix.F_RDLCK, base+20, 0)
	lock(unix.F_RDLCK, 1<<63-1, 1)
	i := list(t, name)[0]
	require.Equal(t, []int{7}, i.Attached)
	require.NoError(t, i.Err)

	name = testproc.Name(t)
	require.NoError(t, create(t, name, 10, shmfile.Options{}).Close())
	f := lock(unix.F_RDLCK, base, 1)
	for n := range int64(5000) {
		l := unix.Flock_t{Type: unix.F_RDLCK, Start: base + 2*n, Len: 1}
		require.NoError(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l))
	}
	require.ErrorIs(t, list(t, name)[0].Err, shmfile.ErrCorrupt)

	name = testproc.Name(t)
	require.NoError(t, create(t, name, 10, shmfile.Options{Owner: shmfile.OwnerUsers}).Close())
	lock(unix.F_WRLCK, base, 0)
	i = list(t, name)[0]
	require.ErrorIs(t, i.Err, shmfile.ErrBusy)
	require.False(t, i.Orphan)
}

// What comes and goes meanwhile does no harm.
func TestListWhileFilesVanish(t *testing.T) {
	name := testproc.Name(t) + "-"
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			f, _, err := shmfile.Create(fmt.Sprint(name, n%10), 10, shmfile.Options{Owner: shmfile.OwnerCreator, Fill: nil})
			if err != nil {
				panic(err)
			}
			if err := shmfile.Close(f); err != nil {
				panic(err)
			}
		}
	}()
	for range 200 {
		for _, i := range list(t, name) {
			if i.Err != nil {
				require.ErrorIs(t, i.Err, shmfile.ErrBusy, "it is being removed")
			}
			require.False(t, i.Orphan)
		}
	}
	close(stop)
	<-stopped
	require.Empty(t, list(t, name))
}

func BenchmarkList10000(b *testing.B) {
	elsewhere(b)
	for n := range 10000 {
		f, _, err := shmfile.Create(fmt.Sprint("segment", n), 200, shmfile.Options{Fill: headed(shmfile.KindValue, 200)})
		require.NoError(b, err)
		if n%2 == 0 { // a descriptor each is the most that many systems allow
			require.NoError(b, shmfile.Close(f))
		} else {
			b.Cleanup(func() { shmfile.Close(f) })
		}
	}
	for b.Loop() {
		require.Len(b, list(b, ""), 10000)
	}
}
