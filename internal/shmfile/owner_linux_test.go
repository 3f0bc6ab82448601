package shmfile_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
)

// owned makes a file of 100 bytes with an owner rule.
func owned(t testing.TB, name string, o shmfile.Owner) *os.File {
	t.Helper()
	return create(t, name, 100, shmfile.Options{Owner: o})
}

// orphan makes a file that its user has left behind.
func orphan(t testing.TB, name string) {
	t.Helper()
	require.NoError(t, owned(t, name, shmfile.OwnerUsers).Close()) // as a death does
	i, ok := shmfile.Stat(name)
	require.True(t, ok)
	require.True(t, i.Orphan)
}

// sweep sweeps those names that contain part.
func sweep(t testing.TB, part string, dry bool) []shmfile.Info {
	t.Helper()
	infos, err := shmfile.Sweep(&shmfile.SweepOptions{DryRun: dry, Match: func(i shmfile.Info) bool { return strings.Contains(i.Name, part) }})
	require.NoError(t, err)
	return infos
}

func exists(name string) bool {
	_, err := os.Lstat(shmDir + name)
	return err == nil
}

func TestOwnerNone(t *testing.T) {
	name := testproc.Name(t)
	f := owned(t, name, shmfile.OwnerNone)
	require.False(t, shmfile.Ruled(f))
	require.NoError(t, shmfile.Withdraw(f))
	require.NoError(t, shmfile.Close(f))
	require.True(t, exists(name))
	require.Empty(t, sweep(t, name, false))
	require.NoError(t, shmfile.Close(open(t, name)))
	require.True(t, exists(name), "X08: attaching never unlinks")
}

func TestOwnerCreator(t *testing.T) {
	name := testproc.Name(t)
	f := owned(t, name, shmfile.OwnerCreator)
	g := open(t, name)
	require.NoError(t, shmfile.Close(open(t, name)))
	require.True(t, exists(name), "X08: a user that closes is not the creator")
	require.NoError(t, shmfile.Close(f))
	require.False(t, exists(name), "though it is in use")
	h := owned(t, name, shmfile.OwnerNone)
	require.NoError(t, shmfile.Close(g))
	require.True(t, exists(name), "another object of that name")
	require.NoError(t, shmfile.Close(h))
}

func TestCreatorLeavesAnothersName(t *testing.T) {
	name := testproc.Name(t)
	f := owned(t, name, shmfile.OwnerCreator)
	require.NoError(t, os.Remove(shmDir+name))
	owned(t, name, shmfile.OwnerNone)
	require.NoError(t, shmfile.Close(f))
	require.True(t, exists(name))
}

func TestOwnerUsers(t *testing.T) {
	name := testproc.Name(t)
	f := owned(t, name, shmfile.OwnerUsers)
	require.True(t, shmfile.Ruled(f))
	g, h := open(t, name), open(t, name)
	require.NoError(t, shmfile.Close(f))
	require.NoError(t, shmfile.Close(h))
	require.True(t, exists(name))
	require.NoError(t, shmfile.Close(g))
	require.False(t, exists(name))
	require.ErrorIs(t, g.Close(), os.ErrClosed)
}

// X08: an attempt to attach removes nothing.
func TestFailedAttachLeavesAnOrphan(t *testing.T) {
	name := testproc.Name(t)
	orphan(t, name)
	f := open(t, name)
	_, err := shmfile.Identify(f, shmfile.Spec{})
	require.ErrorIs(t, err, shmfile.ErrTruncated)
	shmfile.Abandon(f)
	require.True(t, exists(name))
	shmfile.Abandon(owned(t, name, shmfile.OwnerNone)) // in the orphan's place
	require.False(t, exists(name), "what cannot be used leaves no name")
}

func TestBadOwners(t *testing.T) {
	for _, o := range []shmfile.Owner{-1, shmfile.OwnerUsers + 1} {
		_, _, err := shmfile.Create(testproc.Name(t), 10, shmfile.Options{Owner: o})
		require.ErrorIs(t, err, unix.EINVAL)
	}
	require.Equal(t, "none creator users owner 3", strings.Join([]string{
		shmfile.OwnerNone.String(), shmfile.OwnerCreator.String(), shmfile.OwnerUsers.String(), shmfile.Owner(3).String()}, " "))
}

// Create takes the place of an orphan, and of nothing else.
func TestCreateOverAnOrphan(t *testing.T) {
	name := testproc.Name(t)
	orphan(t, name)
	f := create(t, name, 50, shmfile.Options{})
	require.Equal(t, int64(50), size(t, f))
	_, _, err := shmfile.Create(name, 50, shmfile.Options{})
	require.ErrorIs(t, err, shmfile.ErrExist)
	require.NoError(t, shmfile.Unlink(name))

	orphan(t, name)
	f, created, err := shmfile.Create(name, 50, shmfile.Options{Exist: shmfile.OpenExisting})
	require.NoError(t, err)
	require.False(t, created, "OpenExisting keeps what is there")
	_, _, err = shmfile.Create(name, 50, shmfile.Options{})
	require.ErrorIs(t, err, shmfile.ErrExist, "which is no orphan any more")
	require.NoError(t, shmfile.Close(f))
	require.False(t, exists(name))

	require.NoError(t, os.Symlink("/nowhere", shmDir+name))
	_, _, err = shmfile.Create(name, 50, shmfile.Options{})
	require.ErrorIs(t, err, shmfile.ErrExist)
	require.NoError(t, shmfile.Unlink(name))
}

// A process that has just started another one lends it all descriptors, until
// exec(2). The last user closes all the same.
func TestCloseWhileStartingProcesses(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				exec.Command("/bin/true").Run()
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	for range 50 {
		name := testproc.Name(t)
		require.NoError(t, shmfile.Close(owned(t, name, shmfile.OwnerUsers)))
		require.False(t, exists(name))
	}
}

// What arrives gets a lock of its own.
func TestAdopt(t *testing.T) {
	name := testproc.Name(t)
	f := owned(t, name, shmfile.OwnerUsers)
	fd, err := unix.Dup(int(f.Fd()))
	require.NoError(t, err)
	g := shmfile.Adopt(os.NewFile(uintptr(fd), ""), name)
	require.NoError(t, f.Close())
	require.NoError(t, shmfile.Unlink(name))
	h := shmfile.Adopt(g, name) // also what has no name any more
	require.NotEqual(t, g, h)
	require.NoError(t, shmfile.Close(h))
	require.ErrorIs(t, g.Close(), os.ErrClosed)
}

var _ = testproc.Helper("releaser", func(c *testproc.Child) {
	mine, _, err := shmfile.Create(c.Args[0]+"mine", 10, shmfile.Options{Owner: shmfile.OwnerCreator})
	require.NoError(c, err)
	for range 2 {
		_, _, err = shmfile.Create(c.Args[0]+"ours", 10, shmfile.Options{Owner: shmfile.OwnerUsers, Exist: shmfile.OpenExisting})
		require.NoError(c, err)
	}
	_, _, err = shmfile.Create(c.Args[0]+"stays", 10, shmfile.Options{})
	require.NoError(c, err)
	if len(c.Args) > 1 {
		c.WriteLine("ready")
		c.ReadLine()
	}
	shmfile.Release()
	require.NoError(c, shmfile.Close(mine))
	c.WriteLine("released")
	c.Park()
})

func TestRelease(t *testing.T) {
	name := testproc.Name(t)
	t.Cleanup(func() { os.Remove(shmDir + name + "stays") })
	p := testproc.Start(t, "releaser", testproc.Args(name, "wait"))
	p.Expect("ready")
	f := open(t, name+"ours")
	p.WriteLine("go on")
	p.Expect("released")
	require.False(t, exists(name+"mine"))
	require.True(t, exists(name+"stays"))
	require.True(t, exists(name+"ours"), "somebody uses it")
	require.NoError(t, shmfile.Close(f), "and is the last, though the other process maps it until it has ended")
	require.False(t, exists(name+"ours"))
}

// Names that somebody who is stopped is about to remove are busy, and no others.
func TestUnlinkMeetsARemover(t *testing.T) {
	name := testproc.Name(t)
	owned(t, name, shmfile.OwnerNone)
	f, err := os.OpenFile(shmDir+name, os.O_RDWR, 0)
	require.NoError(t, err)
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: 1 << 60, Len: 1}
	require.NoError(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l))
	require.ErrorIs(t, shmfile.Unlink(name), shmfile.ErrBusy)
	require.NoError(t, shmfile.Close(open(t, name)), "it can be opened")
	require.NoError(t, f.Close())
	require.NoError(t, shmfile.Unlink(name))
	require.ErrorIs(t, shmfile.Unlink(name), shmfile.ErrNotExist)
}

var _ = testproc.Helper("owner", func(c *testproc.Child) {
	name := c.Args[1]
	check := func(err error) {
		if !errors.Is(err, shmfile.ErrNotExist) && !errors.Is(err, shmfile.ErrBusy) {
			require.NoError(c, err)
		}
	}
	owner, _ := strconv.Atoi(c.Args[2])
	switch c.Args[0] {
	case "close":
		f, _, err := shmfile.Create(name, 100, shmfile.Options{Owner: shmfile.Owner(owner), Exist: shmfile.OpenExisting})
		require.NoError(c, err)
		check(shmfile.Close(f))
	case "release":
		_, _, err := shmfile.Create(name, 100, shmfile.Options{Owner: shmfile.Owner(owner)})
		require.NoError(c, err)
		shmfile.Release()
	case "create":
		f, _, err := shmfile.Create(name, 100, shmfile.Options{})
		if !errors.Is(err, shmfile.ErrExist) { // somebody was faster
			require.NoError(c, err)
			require.NoError(c, shmfile.Close(f))
		}
	case "sweep":
		_, err := shmfile.Sweep(&shmfile.SweepOptions{Match: func(i shmfile.Info) bool { return i.Name == name }})
		require.NoError(c, err)
	case "unlink":
		check(shmfile.Unlink(name))
	}
})

// ownerSteps are what walks let a victim do, with an orphan in its way or not.
var ownerSteps = []struct {
	what   string
	owner  shmfile.Owner
	orphan bool
}{
	{"close", shmfile.OwnerCreator, false},
	{"close", shmfile.OwnerUsers, false},
	{"close", shmfile.OwnerUsers, true},
	{"release", shmfile.OwnerCreator, false},
	{"release", shmfile.OwnerUsers, true},
	{"create", shmfile.OwnerNone, true},
	{"sweep", shmfile.OwnerNone, true},
	{"unlink", shmfile.OwnerNone, true},
}

// M15, R01, S3: whoever dies in the middle of what, the name is in order, or an
// orphan that Sweep, and Create, remove.
func TestOwnerDies(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, s := range ownerSteps {
		scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
			name := testproc.Name(t)
			t.Cleanup(func() { os.Remove(shmDir + name) })
			if s.orphan {
				orphan(t, name)
			}
			v.Start("owner", testproc.Args(s.what, name, strconv.Itoa(int(s.owner)))).Wait()
			i, ok := shmfile.Stat(name)
			if ok && s.what == "create" && i.Owner == shmfile.OwnerNone {
				require.NoError(t, shmfile.Unlink(name)) // it was through
				return
			}
			require.Equal(t, ok, i.Orphan)
			if v.Hit == 1 {
				dry, swept := sweep(t, name, true), sweep(t, name, false)
				require.Equal(t, dry, swept)
				require.Equal(t, ok, len(swept) == 1)
				for _, i := range swept {
					require.NoError(t, i.Err)
				}
				require.False(t, exists(name))
			}
			f := create(t, name, 10, shmfile.Options{}) // over the orphan, with the second hit
			require.Equal(t, int64(10), size(t, f))
		})
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Hits: 2, Skip: []string{"shmfile/create-opened", "shmfile/create-sized", "shmfile/create-filled"}}, scenarios...)
}

// S2: a remover that is stopped for an hour keeps others from that name, at most,
// and removes nobody's name when it goes on.
func TestRemoverStops(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, s := range ownerSteps {
		if s.what == "release" {
			continue
		}
		scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
			name := testproc.Name(t)
			t.Cleanup(func() { os.Remove(shmDir + name) })
			if s.orphan {
				orphan(t, name)
			}
			p := v.Start("owner", testproc.Args(s.what, name, strconv.Itoa(int(s.owner))))
			if !p.WaitStopped() {
				return
			}
			_, err := shmfile.List()
			require.NoError(t, err)
			create(t, name+"other", 10, shmfile.Options{})
			sweep(t, name, false)
			err = shmfile.Unlink(name)
			if err != nil && !errors.Is(err, shmfile.ErrNotExist) {
				require.ErrorIs(t, err, shmfile.ErrBusy)
			}
			mine, created, err := shmfile.Create(name, 100, shmfile.Options{Exist: shmfile.Replace})
			p.Cont()
			p.Succeed()
			if err != nil {
				require.ErrorIs(t, err, shmfile.ErrBusy)
				return
			}
			require.True(t, created)
			t.Cleanup(func() { mine.Close() })
			require.True(t, exists(name), "it was ours when the stopped one went on")
			link, err := os.Stat(shmDir + name)
			require.NoError(t, err)
			own, err := mine.Stat()
			require.NoError(t, err)
			require.True(t, os.SameFile(link, own))
		})
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Stop: true, Prefix: []string{
		"shmfile/orphan-", "shmfile/remove", "shmfile/own-", "shmfile/close-", "shmfile/sweep-", "shmfile/unlink-",
	}}, scenarios...)
}

// Who may read a file but not write it can lock it for reading. That makes it a user,
// and keeps nobody from removing a name.
func TestReaderIsInNobodysWay(t *testing.T) {
	for _, owner := range []shmfile.Owner{shmfile.OwnerNone, shmfile.OwnerCreator, shmfile.OwnerUsers} {
		name := testproc.Name(t)
		f := owned(t, name, owner)
		r, err := os.Open(shmDir + name)
		require.NoError(t, err)
		l := unix.Flock_t{Type: unix.F_RDLCK}
		require.NoError(t, unix.FcntlFlock(r.Fd(), unix.F_OFD_SETLK, &l))
		require.NoError(t, shmfile.Close(f))
		require.Equal(t, owner != shmfile.OwnerCreator, exists(name))
		if owner != shmfile.OwnerCreator {
			require.Empty(t, sweep(t, name, false))
			require.NoError(t, shmfile.Unlink(name))
		}
		require.NoError(t, r.Close())
	}
}

var _ = testproc.Helper("closer", func(c *testproc.Child) {
	for {
		f, err := shmfile.Open(context.Background(), c.Args[0], shmfile.OpenOptions{})
		require.NoError(c, err)
		c.WriteLine("open")
		c.ReadLine()
		require.NoError(c, shmfile.Close(f))
		c.WriteLine("closed")
		c.ReadLine()
	}
})

// Of those who leave at once, the last one removes the name: no round leaves an
// orphan.
func TestAllLeaveAtOnce(t *testing.T) {
	name := testproc.Name(t)
	var procs []*testproc.Proc
	f := owned(t, name, shmfile.OwnerUsers)
	for range 4 {
		procs = append(procs, testproc.Start(t, "closer", testproc.Args(name)))
	}
	for range 100 {
		for _, p := range procs {
			p.Expect("open")
		}
		require.NoError(t, shmfile.Close(f))
		for _, p := range procs {
			p.WriteLine("close")
		}
		for _, p := range procs {
			p.Expect("closed")
		}
		require.False(t, exists(name))
		f = owned(t, name, shmfile.OwnerUsers)
		for _, p := range procs {
			p.WriteLine("again")
		}
	}
	for _, p := range procs {
		p.Expect("open")
	}
}
