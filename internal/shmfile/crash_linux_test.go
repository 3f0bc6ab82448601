package shmfile_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
)

var _ = testproc.Helper("creator", func(c *testproc.Child) {
	o := shmfile.Options{Exist: shmfile.Fail, Fill: write("new")}
	if c.Args[1] == "replace" {
		o.Exist = shmfile.Replace
	}
	_, _, err := shmfile.Create(c.Args[0], 1000, o)
	require.NoError(c, err)
	c.WriteLine("created")
})

// Wherever a creator dies, the name leads to a whole object or nowhere.
func TestCreatorDies(t *testing.T) {
	fresh := func(t *testing.T, v *testproc.Victim) {
		name := testproc.Name(t)
		v.Start("creator", testproc.Args(name, "fail")).Wait()
		found := whole(t, name)
		if v.Fired() && v.Point != "shmfile/create-published" {
			require.Empty(t, found, "what was not published is gone")
		}
		require.LessOrEqual(t, len(namesLike(t, name)), 1)
		create(t, name, 1000, shmfile.Options{Exist: shmfile.Replace})
	}
	replacing := func(t *testing.T, v *testproc.Victim) {
		name := testproc.Name(t)
		require.NoError(t, create(t, name, 100, shmfile.Options{Fill: write("old")}).Close())
		v.Start("creator", testproc.Args(name, "replace")).Wait()
		found := whole(t, name)
		if v.Fired() && v.Point == "shmfile/create-filled" {
			require.Equal(t, "old", found, "what is not ready replaces nothing")
		}
		require.LessOrEqual(t, len(namesLike(t, name)), 1)
		create(t, name, 1000, shmfile.Options{Exist: shmfile.Replace}) // the dead process's locks are gone
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{
		Prefix: []string{"shmfile/create-", "shmfile/remove"}, Skip: []string{"shmfile/create-marked"},
	}, fresh, replacing)
}

var _ = testproc.Helper("grower", func(c *testproc.Child) {
	require.NoError(c, shmfile.Grow(context.Background(), c.Files[0], 1<<20, false))
	c.WriteLine("grown")
})

// Wherever a grower dies, the file has its old size or its new one, and what the dead
// one had allocated is not lost.
func TestGrowerDies(t *testing.T) {
	grow := func(name string, o shmfile.Options) func(t *testing.T, v *testproc.Victim) {
		return func(t *testing.T, v *testproc.Victim) {
			o.Fill = write("old")
			if name != "" {
				name = testproc.Name(t)
			}
			f := create(t, name, 1000, o)
			v.Start("grower", testproc.Files(f)).Wait()
			require.Equal(t, v.Fired() && v.Point != "shmfile/grow-published", size(t, f) == 1000)
			require.Equal(t, "old", read(t, f, 3))
			require.NoError(t, shmfile.Grow(t.Context(), f, 5000, false), "its lock is gone")
			now := max(5000, size(t, f))
			require.Equal(t, now, size(t, f))
			require.NoError(t, shmfile.Grow(t.Context(), f, now+1, false))
			used, err := shmfile.Allocated(f)
			require.NoError(t, err)
			require.LessOrEqual(t, used, now+1+4096)
		}
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: []string{"shmfile/grow-"}},
		grow("", shmfile.Options{Growable: true}), grow("named", shmfile.Options{}))
}

// A grower that is stopped holds up other growers, until their context ends, and
// nobody else.
func TestGrowerStops(t *testing.T) {
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: []string{"shmfile/grow-"}, Stop: true}, func(t *testing.T, v *testproc.Victim) {
		name := testproc.Name(t)
		f := create(t, name, 1000, shmfile.Options{})
		p := v.Start("grower", testproc.Files(f))
		require.True(t, p.WaitStopped())
		open(t, name)
		ended, end := context.WithCancel(t.Context())
		end()
		require.ErrorIs(t, shmfile.Grow(ended, f, 2<<20, false), context.Canceled)
		grown := make(chan error)
		go func() { grown <- shmfile.Grow(t.Context(), f, 2<<20, false) }()
		p.Cont()
		p.Succeed()
		require.NoError(t, <-grown)
		require.Equal(t, int64(2<<20), size(t, f))
	})
}

// whole returns what the named object holds, "" if there is none.
func whole(t *testing.T, name string) string {
	t.Helper()
	f, err := shmfile.Open(t.Context(), name, shmfile.OpenOptions{})
	if errors.Is(err, shmfile.ErrNotExist) {
		return ""
	}
	require.NoError(t, err)
	defer f.Close()
	text := read(t, f, 3)
	require.Equal(t, map[string]int64{"old": 100, "new": 1000}[text], size(t, f))
	return text
}

// namesLike returns the entries of the directory that contain name, such as
// temporary ones.
func namesLike(t *testing.T, name string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(shmDir)
	require.NoError(t, err)
	for _, e := range list {
		if strings.Contains(e.Name(), name) {
			names = append(names, e.Name())
		}
	}
	return names
}
