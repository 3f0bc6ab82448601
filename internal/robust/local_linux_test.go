//go:build !explore

package robust

import (
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// guest is a Local that counts how often it left.
type guest struct {
	busy bool
	left atomic.Int32
}

func (g *guest) Leave() error {
	if g.busy {
		return ErrBusy
	}
	g.left.Add(1)
	return nil
}

func anchorsIn(b []byte) (a *[2]Anchor) { return (*[2]Anchor)(unsafe.Pointer(&b[0])) }

func TestLocal(t *testing.T) {
	f := newFile(t, 4096)
	near, err := mem.Map(f, 4096, mem.Options{})
	require.NoError(t, err)
	foreign, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Munmap(foreign)) })
	for name, b := range map[string][]byte{"near": near.Bytes(), "foreign": foreign} {
		t.Run(name, func(t *testing.T) {
			a := anchorsIn(b)
			require.Nil(t, LocalOf[guest](&a[0]))
			g, other := new(guest), new(guest)
			for _, l := range []*guest{g, other} { // the first one stays
				got, err := SetLocal(&a[0], l)
				require.NoError(t, err)
				require.Same(t, g, got)
				require.Same(t, g, LocalOf[guest](&a[0]))
			}
			require.Nil(t, LocalOf[guest](&a[1]))
			require.Zero(t, testing.AllocsPerRun(100, func() { LocalOf[guest](&a[0]) }))

			g.busy = true
			require.ErrorIs(t, Forget(b), ErrBusy)
			require.Same(t, g, LocalOf[guest](&a[0]))
			g.busy = false
			require.NoError(t, Forget(b[len(b)/2:]), "another range")
			require.Same(t, g, LocalOf[guest](&a[0]))
			require.NoError(t, Forget(b))
			require.EqualValues(t, 1, g.left.Load())
			require.Nil(t, LocalOf[guest](&a[0]))
			got, err := SetLocal(&a[0], other)
			require.NoError(t, err)
			require.Same(t, other, got)
			require.NoError(t, Forget(b))
		})
	}
	a := anchorsIn(near.Bytes())
	require.NoError(t, Unmap(near))
	require.Nil(t, LocalOf[guest](&a[0]))
	_, err = SetLocal(&a[0], new(guest))
	require.ErrorIs(t, err, ErrClosed)
}
