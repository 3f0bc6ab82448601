//go:build !explore

package robust

import (
	"errors"
	"testing"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

func TestForget(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		f := newFile(t, 2*4096)
		a := mapFile(t, f, geometry, memOptions)
		require.NoError(t, Forget(nil))
		require.NoError(t, Forget(a.b), "nothing was used yet")
		for i := range 3 {
			require.NoError(t, a.cell(i).Take(0, 0))
		}
		require.True(t, a.cell(0).Release())
		require.ErrorIs(t, Forget(a.b), ErrBusy)
		require.ErrorIs(t, Forget(a.b[64:65]), ErrBusy)
		require.NoError(t, Forget(a.b[4096:]), "the held ones lie elsewhere")
		require.NoError(t, Forget(a.b[:64]))
		for i := 1; i < 3; i++ {
			require.True(t, a.cell(i).Mine(), "Forget has changed something")
			require.True(t, a.cell(i).Release())
		}
		require.NoError(t, Forget(a.b))
		require.Zero(t, a.cell(1).shadow().keeper())
		require.NoError(t, a.cell(1).Take(0, 0), "they may be used again")
		require.True(t, a.cell(1).Release())
		require.NoError(t, Forget(a.b))
		require.NoError(t, a.close())
	})
}

// forgetful forgets and unmaps between others, and is killed.
var _ = testproc.Helper("forgetful", func(c *testproc.Child) {
	geometry := c.Args[0]
	keep := mapFile(c, c.Files[0], geometry, memOptions)
	for i := range 4 {
		gone := mapFile(c, c.Files[1], geometry, memOptions)
		require.NoError(c, keep.cell(i).Take(0, 0))
		require.NoError(c, gone.cell(i).Take(0, 0))
		require.True(c, gone.cell(i).Release())
		require.NoError(c, keep.cell(4+i).Take(0, 0))
		require.NoError(c, gone.cell(5).Take(0, 0))
		require.ErrorIs(c, Forget(gone.b), ErrBusy)
		require.True(c, gone.cell(5).Release())
		require.NoError(c, Forget(gone.b))
		require.NoError(c, gone.close())
	}
	// Used, forgotten and used again.
	require.True(c, keep.cell(7).Release())
	require.NoError(c, Forget(keep.b[7*64:8*64]))
	require.NoError(c, keep.cell(7).Take(0, 0))
	c.WriteLine("held")
	c.Park()
})

func TestListsAreWholeAfterForget(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, "near")
		_, g := newArea(t, 4096, "near")
		p := testproc.Start(t, "forgetful", testproc.Files(f, g), testproc.Args(geometry))
		p.Expect("held")
		p.Kill()
		for i := range 8 {
			awaitMark(t, a.cell(i))
		}
	})
}

func TestUnmap(t *testing.T) {
	f := newFile(t, 4096)
	m, err := mem.Map(f, 4096, memOptions)
	require.NoError(t, err)
	a := area{b: m.Bytes()}
	require.NoError(t, a.cell(0).Take(0, 0))
	require.ErrorIs(t, Unmap(m), ErrBusy)
	require.NoError(t, a.cell(1).Take(0, 0), "the mapping lives")
	require.True(t, a.cell(0).Release())
	require.True(t, a.cell(1).Release())
	require.NoError(t, Unmap(m))
	require.Zero(t, a.cell(0).Word.Load())
	for i := range 2 {
		require.ErrorIs(t, a.cell(i).Take(0, 0), ErrClosed)
	}
	require.Zero(t, a.cell(0).Word.Load())
}

// forgetter forgets a cell again and again while another goroutine takes it.
var _ = testproc.Helper("forgetter", func(c *testproc.Child) {
	a := mapFile(c, c.Files[0], "near", memOptions)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20_000 {
			require.NoError(c, a.cell(0).Take(0, 0))
			require.True(c, a.cell(0).Release())
		}
		require.NoError(c, a.cell(0).Take(0, 0))
	}()
	for taken := false; !taken; {
		select {
		case <-done:
			taken = true
		default:
		}
		if err := Forget(a.b); err != nil {
			require.ErrorIs(c, err, ErrBusy)
		}
	}
	require.True(c, errors.Is(Forget(a.b), ErrBusy))
	c.WriteLine("held")
	c.Park()
})

// Whatever Forget meets, a cell that is held is in a list.
func TestForgetWhileOthersTake(t *testing.T) {
	a, f := newArea(t, 4096, "near")
	p := testproc.Start(t, "forgetter", testproc.Files(f))
	p.Expect("held")
	require.NotZero(t, a.cell(0).Word.Load())
	p.Kill()
	awaitMark(t, a.cell(0))
}
