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

// A thread goes on storing in a read(2) after the kernel has marked the cells
// of its process. The take-over fence waits until it has ended.
func TestFenceWaitsForALongRead(t *testing.T) {
	const size = 384 << 20
	stored := func(f *os.File) int64 { // bytes of pages that were ever stored to
		st, err := f.Stat()
		require.NoError(t, err)
		return st.Sys().(*syscall.Stat_t).Blocks * 512
	}
	late := 0
	for try := 0; try < 20 && late < 2; try++ {
		a, f := newArea(t, 4096, "near")
		into, source := newFile(t, size), newFile(t, size)
		p := testproc.Start(t, "reader", testproc.Files(f, into, source))
		p.Expect("held")
		p.WriteLine("go")
		await(t, func() bool { return stored(into) > 16<<20 })
		p.Kill()
		awaitMark(t, a.cell(0))
		atMark := stored(into)
		require.NoError(t, a.cell(0).AwaitGone(context.Background()))
		atGone := stored(into)
		p.Wait()
		require.Equal(t, atGone, stored(into), "a store after AwaitGone")
		if atGone > atMark {
			late++
			t.Logf("%d MiB were stored after the mark", (atGone-atMark)>>20)
		}
		require.NoError(t, into.Truncate(0)) // free the memory
	}
	testproc.Need(t, "a machine on which the kill meets the read half-way", late > 0)
}

// A pid that was used again is somebody else's.
func TestGone(t *testing.T) {
	me, err := Self()
	require.NoError(t, err)
	require.False(t, me.Gone())
	require.False(t, Process{me.PID, me.Start & startMask}.Gone(), "of the start time an ident carries 20 bits")
	require.True(t, Process{me.PID, me.Start + 1}.Gone())
	require.True(t, Process{me.PID, me.Start - 1}.Gone())
	require.True(t, Process{}.Gone(), "nobody")
	require.True(t, Process{PID: 0x3fffff, Start: me.Start}.Gone(), "no such pid")

	_, f := newArea(t, 4096, "near")
	p := startHolder(t, f, "near", 1)
	st, err := readStat("/proc/" + itoa(p.PID) + "/stat")
	require.NoError(t, err)
	it := Process{uint32(p.PID), st.start}
	require.False(t, it.Gone())
	require.True(t, p.Stop())
	require.False(t, it.Gone(), "stopped is not dead")
	p.Kill()
	await(t, it.Gone)
	p.Wait()
	require.True(t, it.Gone())
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
	require.Equal(t, taskStat{state: 'S', flags: 4194308, start: 987}, st)
	require.True(t, st.ended())
	for _, bad := range []string{"", "7", "7 (a", "7 (a) S 1 2 3", "7 (a) S 1 7 7 0 -1 x 0 0 0 0 1 2 3 4 20 0 5 0 987 0 0"} {
		require.NoError(t, os.WriteFile(path, []byte(bad), 0o600))
		_, err := readStat(path)
		require.Error(t, err, "%q", bad)
	}
}
