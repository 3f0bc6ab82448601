package shm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

// M20: what is made in a scope can be opened by its name, and is gone with it.
func TestScope(t *testing.T) {
	scope := shm.NewScope()
	part := newName(t) + "-"
	var made []thing
	for kind, k := range makers {
		for _, name := range []string{"", part + kind} {
			x, err := k.make(name, &shm.Options{Scope: scope})
			require.NoError(t, err)
			made = append(made, x)
		}
		x, err := k.open(part+kind, nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, x.Close()) })
	}
	theirs, err := makers["array"].make(part+"theirs", new(shm.Options))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, theirs.Unlink()); require.NoError(t, theirs.Close()) })
	_, err = makers["array"].make(part+"theirs", &shm.Options{Exist: shm.ExistOpen, Scope: scope})
	require.NoError(t, err)

	require.NoError(t, scope.Close())
	for kind := range makers {
		require.False(t, exists(part+kind))
	}
	require.True(t, exists(part+"theirs"), "X08: it was not made in the scope")
	for _, x := range made {
		require.ErrorIs(t, x.(interface{ File() *os.File }).File().Sync(), os.ErrClosed)
	}
	require.NoError(t, scope.Close(), "again")

	// M20: after its end, an error in place of use before start; nothing is made.
	for kind, k := range makers {
		_, err := k.make(part+kind, &shm.Options{Scope: scope})
		require.ErrorIs(t, err, shm.ErrClosed)
		require.False(t, exists(part+kind))
	}
	require.ErrorIs(t, scope.Add(theirs), shm.ErrClosed)
}

// recorder notes what a scope does with it.
type recorder struct {
	log         *[]string
	name        string
	unlink, err error
}

func (r *recorder) Unlink() error { *r.log = append(*r.log, "unlink "+r.name); return r.unlink }
func (r *recorder) Close() error  { *r.log = append(*r.log, "close "+r.name); return r.err }

// nameless has no name.
type nameless struct{ r *recorder }

func (c nameless) Close() error { return c.r.Close() }

func TestScopeOrder(t *testing.T) {
	var log []string
	sick, busy := errors.New("sick"), errors.New("busy")
	scope := shm.NewScope()
	bad := &recorder{&log, "b", sick, busy}
	require.NoError(t, scope.Add(&recorder{&log, "a", shm.ErrNotExist, nil}))
	require.NoError(t, scope.Add(bad))
	require.NoError(t, scope.Add(nameless{&recorder{&log, "c", nil, nil}}))
	err := scope.Close()
	require.ErrorIs(t, err, sick)
	require.ErrorIs(t, err, busy)
	require.Equal(t, []string{"close c", "unlink b", "close b", "unlink a", "close a"}, log)
	bad.err, log = nil, nil
	require.NoError(t, scope.Close())
	require.NoError(t, scope.Close())
	require.Equal(t, []string{"close b"}, log, "what could not be closed is closed by the next try")
}

// A lock that is held delays the end of the memory, not that of the name.
func TestScopeOfWhatIsHeld(t *testing.T) {
	scope := shm.NewScope()
	name := newName(t)
	a, err := shm.NewArray[int](name, 3, &shm.Options{Scope: scope})
	require.NoError(t, err)
	require.NoError(t, a.Lock())
	require.ErrorIs(t, scope.Close(), shm.ErrBusy)
	require.False(t, exists(name))
	b, err := shm.NewArray[int](name, 3, nil) // another's by now
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Unlink()); require.NoError(t, b.Close()) })
	a.Unlock()
	require.NoError(t, scope.Close())
	require.True(t, exists(name))
}

var _ = testproc.Helper("scope", func(c *testproc.Child) {
	scope := shm.NewScope()
	for i := range 3 {
		_, err := shm.Create(fmt.Sprint(c.Args[0], i), 10, &shm.Options{Scope: scope})
		require.NoError(c, err)
	}
	_, err := shm.Open(context.Background(), c.Args[0]+"0", nil)
	require.NoError(c, err)
	c.WriteLine("ready")
	c.Park()
})

// M18, M19: there is no server that a signal could stop, and no tracker: what a
// scope had is swept when its process has been interrupted or killed.
func TestScopeOfTheDead(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGKILL} {
		part := newName(t) + "-"
		p := testproc.Start(t, "scope", testproc.Args(part))
		p.Expect("ready")
		require.Empty(t, sweep(t, part))
		require.NoError(t, unix.Kill(p.PID, sig))
		p.Wait()
		require.Len(t, sweep(t, part), 3)
		require.Empty(t, sweep(t, part))
	}
}
