//go:build !explore

package robust

import (
	"context"
	"os"
	"testing"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

func (a area) claim(i int) *Claim { return (*Claim)(unsafe.Pointer(&a.b[64*i])) }

// claimer takes claim 0 and parks. Args: geometry.
var _ = testproc.Helper("claimer", func(c *testproc.Child) {
	a := mapFile(c, c.Files[0], c.Args[0], memOptions)
	_, err := a.claim(0).Take()
	require.NoError(c, err)
	c.WriteLine("taken")
	c.ReadLine()
	a.claim(0).Drop()
	c.WriteLine("dropped")
	c.Park()
})

func TestClaim(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, geometry)
		c := a.claim(0)
		require.True(t, c.Free())
		_, err := c.Take()
		require.NoError(t, err)
		held, err := c.Take()
		require.ErrorIs(t, err, ErrHeld, "by this process, but once is enough")
		require.Equal(t, c.Word().Load(), held)
		require.False(t, c.Free())
		c.Drop()
		require.True(t, c.Free())
		c.Drop()
		require.True(t, c.Free())

		p := testproc.Start(t, "claimer", testproc.Files(f), testproc.Args(geometry))
		p.Expect("taken")
		held, err = c.Take()
		require.ErrorIs(t, err, ErrHeld)
		c.Drop()
		require.False(t, c.Free(), "it is another one's")
		waits := start(func() error { return futex.Sleep(context.Background(), c.Word(), held, nil) })
		await(t, func() bool { return sleepers(c.Word()) == 1 })
		p.WriteLine("drop")
		p.Expect("dropped")
		require.NoError(t, result(t, waits))
		_, err = c.Take()
		require.NoError(t, err)
		c.Drop()
	})
}

// A dead holder is found, also one that nobody has reaped yet; a stopped one is
// not dead.
func TestClaimOfTheDead(t *testing.T) {
	a, f := newArea(t, 4096, "near")
	c := a.claim(0)
	p := testproc.Start(t, "claimer", testproc.Files(f), testproc.Args("near"))
	p.Expect("taken")
	held := c.Word().Load()
	require.True(t, p.Stop())
	require.False(t, c.Free())
	waits := start(func() error { return futex.Sleep(context.Background(), c.Word(), held, c.Free) })
	await(t, func() bool { return sleepers(c.Word()) == 1 })
	p.Kill()
	require.NoError(t, result(t, waits))
	require.True(t, c.Free())
	_, err := c.Take()
	require.NoError(t, err)
	c.Drop()
}

// Garbage, and idents whose pid or TID belongs to another by now, are nobody's.
func TestClaimOfNobody(t *testing.T) {
	a, _ := newArea(t, 4096, "near")
	c := a.claim(0)
	_, err := c.Take()
	require.NoError(t, err)
	mine := ident(c.who.Load())
	require.Equal(t, uint32(os.Getpid()), mine.pid())
	for _, id := range []uint64{
		1 << 22, // no pid
		uint64(os.Getpid()),
		uint64(newIdent(0x3fffff, 0x3fffff, 1)),
		uint64(newIdent(1, 1, 0xfffff)),           // started at another time
		uint64(newIdent(0x3fffff, mine.tid(), 1)), // its TID is this process's by now
		^uint64(0),
	} {
		c.who.Store(id)
		require.True(t, c.Free(), "%#x", id)
		require.Zero(t, c.Word().Load())
	}
	c.who.Store(1 << 32) // the half that counts is free
	_, err = c.Take()
	require.NoError(t, err)
	c.Reset()
	require.True(t, c.Free())
}
