package ringbuf

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
)

// Where the file system is full a producer gets no lane, and nobody meets the hole where
// its memory would be.
func TestManyNamedNoSpace(t *testing.T) {
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("redeliver %v", again), func(t *testing.T) {
			dir := t.TempDir()
			testproc.Need(t, "the right to mount a tmpfs", unix.Mount("shmkit-test", dir, "tmpfs", 0, "size=1m") == nil)
			t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
			like := namedRing(t, newName(t), &Options{Mode: MPMC, Producers: 4, Redeliver: again, Capacity: minCapacity})
			r := copiedTo(t, like, filepath.Join(dir, "ring"))
			p := producer(t, r)
			filler, err := os.Create(filepath.Join(dir, "filler"))
			require.NoError(t, err)
			_, err = filler.Write(make([]byte, 2<<20))
			require.ErrorIs(t, err, unix.ENOSPC)
			_, err = r.Producer()
			require.ErrorIs(t, err, ErrNoSpace)

			c := consumer(t, r)
			for n := range 200 {
				sent := numbered(1, n, 10_000*(n%2))
				require.NoError(t, p.Send(bounded(t), sent))
				b, err := c.Recv(bounded(t), nil)
				require.NoError(t, err)
				require.Equal(t, sent, b)
			}
			_, err = c.TryRecv(nil)
			require.ErrorIs(t, err, ErrEmpty)

			require.NoError(t, filler.Close())
			require.NoError(t, os.Remove(filler.Name()))
			q, err := r.Producer()
			require.NoError(t, err, "there is room again")
			require.NoError(t, q.Send(bounded(t), numbered(2, 0, 0)))
			require.NoError(t, p.CloseSend())
			_, err = c.Recv(bounded(t), nil)
			require.NoError(t, err)
			_, err = c.Recv(bounded(t), nil)
			require.Equal(t, io.EOF, err)
		})
	}
}

// copiedTo is a ring as fresh as like, in that file.
func copiedTo(t *testing.T, like *Ring, path string) *Ring {
	faultsAreSeen(t)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	geo := like.many.geo
	require.NoError(t, f.Truncate(int64(geo.size())))
	_, err = io.Copy(f, io.NewSectionReader(like.file, 0, int64(geo.head)))
	require.NoError(t, err)
	r, err := OpenFile(f)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}
