//go:build !explore

package robust

import (
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// reader holds cell 0 of its first file, and reads its third into the memory of
// its second, in one system call.
var _ = testproc.Helper("reader", func(c *testproc.Child) {
	a := mapFile(c, c.Files[0], "near", memOptions)
	into := mapFile(c, c.Files[1], "near", memOptions)
	require.NoError(c, a.cell(0).Take(0, 0))
	c.WriteLine("held")
	c.ReadLine()
	n, err := unix.Read(int(c.Files[2].Fd()), into.b)
	require.NoError(c, err)
	require.Equal(c, len(into.b), n)
})

// stored returns the bytes of the pages that were ever stored to.
func stored(t testing.TB, f *os.File) int64 {
	st, err := f.Stat()
	require.NoError(t, err)
	return st.Sys().(*syscall.Stat_t).Blocks * 512
}

// A thread goes on storing in a read(2) after the kernel has marked the cells
// of its process. The take-over fence waits until it has ended.
func TestFenceWaitsForALongRead(t *testing.T) {
	const size = 384 << 20
	late := 0
	for try := 0; try < 20 && late < 2; try++ {
		a, f := newArea(t, 4096, "near")
		into, source := newFile(t, size), newFile(t, size)
		p := testproc.Start(t, "reader", testproc.Files(f, into, source))
		p.Expect("held")
		p.WriteLine("go")
		await(t, func() bool { return stored(t, into) > 16<<20 })
		p.Kill()
		awaitMark(t, a.cell(0))
		atMark := stored(t, into)
		require.NoError(t, a.cell(0).TakeOver(context.Background(), OwnerDied))
		atGone := stored(t, into)
		p.Wait()
		require.Equal(t, atGone, stored(t, into), "a store after the fence")
		if atGone > atMark {
			late++
			t.Logf("%d MiB were stored after the mark", (atGone-atMark)>>20)
		}
		require.True(t, a.cell(0).Release())
		require.NoError(t, into.Truncate(0)) // free the memory
	}
	testproc.Need(t, "a machine on which the kill meets the read half-way", late > 0)
}

// Of whom the mark of a dead keeper means that nobody can store any more.
func TestGone(t *testing.T) {
	me, err := Self()
	require.NoError(t, err)
	a, f := newArea(t, 4096, "near")
	p := startHolder(t, f, "near", 1)
	held := ident(a.cell(0).Ident.Load())
	pid, tid, start := held.pid(), held.tid(), held.start()
	require.EqualValues(t, p.PID, pid)
	for who, id := range map[string]ident{
		"a C program": 0,
		"this process, or what it was before execve":   newIdent(me.PID, 1, me.Start),
		"an earlier process of this pid":               newIdent(me.PID, 1, me.Start-1),
		"no such pid":                                  newIdent(0x3fffff, 5, me.Start),
		"an earlier process of the other's pid":        newIdent(pid, tid, start-1),
		"one whose keeper lives: the mark was not its": newIdent(pid, tid, start),
	} {
		require.True(t, id.gone(), who)
	}
	// One whose threads run another program; while threads come and go, the
	// answer may be no.
	await(t, newIdent(pid, 0x3fffff, start).gone)
	require.False(t, held.replaced())
	require.True(t, newIdent(pid, tid, start-1).replaced())
	require.True(t, newIdent(0x3fffff, tid, start).replaced())
	require.True(t, p.Stop())
	require.False(t, held.replaced(), "stopped is not dead")
	p.Kill()
	p.Wait()
	require.True(t, held.gone())
	require.True(t, held.replaced())
}

// A thread of a dying process that is still in a system call: its fence ends
// with the context, and the cell stays the dead one's.
func TestFenceEndsWithItsContext(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		a, f := newArea(t, 4096, "near")
		into, source := newFile(t, 256<<20), newFile(t, 256<<20)
		p := testproc.Start(t, "reader", testproc.Files(f, into, source))
		p.Expect("held")
		p.WriteLine("go")
		await(t, func() bool { return stored(t, into) > 16<<20 })
		p.Kill()
		awaitMark(t, a.cell(0))
		err := a.cell(0).TakeOver(cancelled, OwnerDied)
		p.Wait()
		require.NoError(t, into.Truncate(0))
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			require.EqualValues(t, OwnerDied, a.cell(0).Word.Load())
			require.NoError(t, a.cell(0).TakeOver(t.Context(), OwnerDied))
			require.True(t, a.cell(0).Release())
			return
		}
		require.True(t, a.cell(0).Release())
	}
	testproc.Need(t, "a machine on which the kill meets the read half-way", false)
}

func TestIdent(t *testing.T) {
	for _, x := range []struct {
		pid, tid uint32
		start    uint64
	}{{1, 2, 3}, {4194304 - 1, 4194303, 1<<64 - 1}, {0, 0, 0}, {12345, 54321, 1 << 19}} {
		id := newIdent(x.pid, x.tid, x.start)
		require.Equal(t, x.pid, id.pid())
		require.Equal(t, x.tid, id.tid())
		require.Equal(t, x.start&startMask, id.start())
		require.True(t, sameStart(x.start, id.start()))
	}
	require.False(t, sameStart(1, 2))
}

func TestStatOfAStrangeCommand(t *testing.T) {
	path := t.TempDir() + "/stat"
	require.NoError(t, os.WriteFile(path, []byte("7 (a) R 1) S 1 7 7 0 -1 4194308 0 0 0 0 1 2 3 4 20 0 5 0 987 0 0\n"), 0o600))
	st, err := readStat(path)
	require.NoError(t, err)
	require.Equal(t, taskStat{pid: 7, state: 'S', flags: 4194308, threads: 5, start: uint64(987 - bootOffset())}, st)
	require.True(t, st.ended())
	for _, bad := range []string{"", "7", "7 (a", "7 (a) S 1 2 3", "x (a) S 1 7 7 0 -1 4 0 0 0 0 1 2 3 4 20 0 5 0 987 0 0", "7 (a) S 1 7 7 0 -1 x 0 0 0 0 1 2 3 4 20 0 5 0 987 0 0"} {
		require.NoError(t, os.WriteFile(path, []byte(bad), 0o600))
		_, err := readStat(path)
		require.Error(t, err, "%q", bad)
	}
}
