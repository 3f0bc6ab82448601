package shm_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

// thing is what all makers have in common.
type thing interface {
	Close() error
	Unlink() error
	File() *os.File
}

// makers make and open each kind.
var makers = map[string]struct {
	make func(name string, o *shm.Options) (thing, error)
	open func(name string, o *shm.OpenOptions) (thing, error)
}{
	"segment": {
		func(name string, o *shm.Options) (thing, error) { return thingOf(shm.Create(name, 100, o)) },
		func(name string, o *shm.OpenOptions) (thing, error) {
			return thingOf(shm.Open(context.Background(), name, o))
		},
	},
	"object": {
		func(name string, o *shm.Options) (thing, error) { return thingOf(shm.NewObject[account](name, o)) },
		func(name string, o *shm.OpenOptions) (thing, error) {
			return thingOf(shm.OpenObject[account](context.Background(), name, o))
		},
	},
	"value": {
		func(name string, o *shm.Options) (thing, error) { return thingOf(shm.NewValue(name, 7, o)) },
		func(name string, o *shm.OpenOptions) (thing, error) {
			return thingOf(shm.OpenValue[int](context.Background(), name, o))
		},
	},
	"array": {
		func(name string, o *shm.Options) (thing, error) { return thingOf(shm.NewArray[int](name, 7, o)) },
		func(name string, o *shm.OpenOptions) (thing, error) {
			return thingOf(shm.OpenArray[int](context.Background(), name, o))
		},
	},
	"list": {
		func(name string, o *shm.Options) (thing, error) {
			return thingOf(shm.NewShareableList(name, &shm.ListOptions{Exist: o.Exist, Owner: o.Owner, Scope: o.Scope, Locked: true}, 1, "two"))
		},
		func(name string, o *shm.OpenOptions) (thing, error) {
			return thingOf(shm.OpenShareableList(context.Background(), name, o))
		},
	},
}

// thingOf keeps nil an error's company.
func thingOf[T thing](x T, err error) (thing, error) {
	if err != nil {
		return nil, err
	}
	return x, nil
}

func exists(name string) bool {
	_, err := os.Lstat(shmDir + name)
	return err == nil
}

func info(t testing.TB, name string) shm.Info {
	t.Helper()
	all, err := shm.List()
	require.NoError(t, err)
	for _, i := range all {
		if i.Name == name {
			return i
		}
	}
	t.Fatalf("List does not tell of %q", name)
	return shm.Info{}
}

func sweep(t testing.TB, part string) []shm.Info {
	t.Helper()
	swept, err := shm.Sweep(&shm.SweepOptions{Match: func(i shm.Info) bool { return strings.Contains(i.Name, part) }})
	require.NoError(t, err)
	return swept
}

func TestOwners(t *testing.T) {
	for kind, k := range makers {
		for _, owner := range []shm.Owner{shm.OwnerNone, shm.OwnerCreator, shm.OwnerUsers} {
			t.Run(fmt.Sprint(kind, " ", owner), func(t *testing.T) {
				name := newName(t)
				made, err := k.make(name, &shm.Options{Owner: owner})
				require.NoError(t, err)
				other, err := k.open(name, &shm.OpenOptions{ReadOnly: true})
				require.NoError(t, err)
				third, err := k.open(name, nil)
				require.NoError(t, err)

				i := info(t, name)
				require.Equal(t, owner, i.Owner)
				require.Equal(t, []int{os.Getpid()}, i.Attached)
				require.False(t, i.Orphan)
				require.Empty(t, sweep(t, name))

				require.NoError(t, third.Close())
				require.NoError(t, third.Close(), "again")
				require.True(t, exists(name))
				require.NoError(t, made.Close())
				require.Equal(t, owner != shm.OwnerCreator, exists(name))
				require.NoError(t, other.Close())
				require.Equal(t, owner == shm.OwnerNone, exists(name))
			})
		}
	}
}

// Who maps a file that was truncated can still say that it is the last.
func TestOwnerOfTruncated(t *testing.T) {
	for kind, k := range makers {
		name := newName(t)
		made, err := k.make(name, &shm.Options{Owner: shm.OwnerUsers})
		require.NoError(t, err)
		require.NoError(t, os.Truncate(shmDir+name, 0))
		require.False(t, info(t, name).Orphan)
		require.NoError(t, made.Close())
		require.False(t, exists(name), kind)
	}
}

// An anonymous object has no name to take care of.
func TestOwnersOfAnonymous(t *testing.T) {
	for _, k := range makers {
		made, err := k.make("", &shm.Options{Owner: shm.OwnerCreator})
		require.NoError(t, err)
		require.NoError(t, made.Close())
	}
}

// X08: an attempt to attach, to what is another kind, removes not even an orphan.
func TestFailedAttachToAnOrphan(t *testing.T) {
	for made, k := range makers {
		for opened, o := range makers {
			if opened == made || opened == "segment" {
				continue
			}
			name := newName(t)
			x, err := k.make(name, &shm.Options{Owner: shm.OwnerUsers})
			require.NoError(t, err)
			other, err := k.open(name, nil)
			require.NoError(t, err)
			leaveOrphan(t, x, other)
			_, err = o.open(name, nil)
			require.Error(t, err)
			require.True(t, info(t, name).Orphan, "%s opened as %s", made, opened)
			require.Len(t, sweep(t, name), 1)
			require.False(t, exists(name))
		}
	}
}

// leaveOrphan closes objects as a death does: without a look at their names.
func leaveOrphan(t testing.TB, all ...thing) {
	for _, x := range all {
		// Its locks are given up before Close asks; so the name is another's by then.
		name := x.File().Name()
		require.NoError(t, os.Rename(name, name+"-aside"))
		require.NoError(t, x.Close())
		require.NoError(t, os.Rename(name+"-aside", name))
	}
}

// A constructor that finds an orphan takes its place; what is used, or has no
// owner rule, is in its way.
func TestConstructorsOverOrphans(t *testing.T) {
	for _, k := range makers {
		name := newName(t)
		x, err := k.make(name, &shm.Options{Owner: shm.OwnerUsers})
		require.NoError(t, err)
		_, err = k.make(name, new(shm.Options))
		require.ErrorIs(t, err, shm.ErrExist)
		leaveOrphan(t, x)
		x, err = k.make(name, new(shm.Options))
		require.NoError(t, err)
		require.NoError(t, x.Close())
		_, err = k.make(name, &shm.Options{Owner: shm.OwnerUsers})
		require.ErrorIs(t, err, shm.ErrExist)
		require.Equal(t, shm.OwnerNone, info(t, name).Owner)
		x, err = k.make(name, &shm.Options{Owner: shm.OwnerUsers, Exist: shm.ExistOpen})
		require.NoError(t, err)
		require.NoError(t, x.Close())
		require.True(t, exists(name), "it keeps its own rule")
	}
}

var _ = testproc.Helper("keep", func(c *testproc.Child) {
	var s sent
	require.NoError(c, json.Unmarshal([]byte(c.Args[0]), &s))
	var hs []handle.Handle
	for i, f := range c.Files {
		hs = append(hs, handle.Handle{Kind: s.Kinds[i], Name: s.Names[i], File: f})
	}
	var l luggage
	require.NoError(c, handle.Decode(context.Background(), s.Data, hs, func(b []byte) error { return cbor.Unmarshal(b, &l) }))
	c.WriteLine("kept")
	c.ReadLine()
	l.close(c)
	c.WriteLine("closed")
	c.Park()
})

// What has travelled is its receiver's own: it is listed, and keeps the name,
// whatever becomes of the sender, and the last of them removes it.
func TestOwnerTravels(t *testing.T) {
	part := newName(t) + "-"
	n := 0
	name := func() string { n++; return fmt.Sprint(part, n) }
	l := packWith(t, name, &shm.Options{Owner: shm.OwnerUsers})
	data, hs, err := handle.Encode(func() ([]byte, error) { return cbor.Marshal(l) })
	require.NoError(t, err)
	s := sent{Data: data}
	var files []*os.File
	for _, h := range hs {
		s.Kinds, s.Names, files = append(s.Kinds, h.Kind), append(s.Names, h.Name), append(files, h.File)
	}
	b, err := json.Marshal(s)
	require.NoError(t, err)
	p := testproc.Start(t, "keep", testproc.Args(string(b)), testproc.Files(files...))
	p.Expect("kept")
	for i := 1; i <= n; i++ {
		require.ElementsMatch(t, []int{os.Getpid(), p.PID}, info(t, fmt.Sprint(part, i)).Attached)
	}
	l.close(t)
	for i := 1; i <= n; i++ {
		require.Equal(t, []int{p.PID}, info(t, fmt.Sprint(part, i)).Attached)
	}
	p.WriteLine("close")
	p.Expect("closed")
	for i := 1; i <= n; i++ {
		require.False(t, exists(fmt.Sprint(part, i)))
	}
}

var _ = testproc.Helper("owner", func(c *testproc.Child) {
	for kind, k := range makers {
		_, err := k.make(c.Args[0]+kind, &shm.Options{Owner: shm.OwnerCreator})
		require.NoError(c, err)
	}
	c.WriteLine("ready")
	c.Park()
})

// M15, R01: what a process leaves that is killed, or terminated, is an orphan at
// once, and gone with the next Sweep; what others use is gone with the last of them.
func TestCreatorIsKilled(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGTERM} {
		part := newName(t) + "-"
		p := testproc.Start(t, "owner", testproc.Args(part))
		p.Expect("ready")
		require.Equal(t, p.PID, info(t, part+"list").Creator)
		user, err := makers["array"].open(part+"array", nil)
		require.NoError(t, err)
		require.NoError(t, unix.Kill(p.PID, sig))
		p.Wait()
		for kind := range makers {
			require.Equal(t, kind != "array", info(t, part+kind).Orphan)
		}
		require.NoError(t, shm.Unlink(part+"list"), "R01: what somebody has removed already is no trouble")
		require.Len(t, sweep(t, part), len(makers)-2)
		require.True(t, exists(part+"array"), "it is in use")
		require.NoError(t, user.Close())
		require.False(t, exists(part+"array"), "the first survivor")
	}
}

// A process in Python that has it attached takes no locks. Sweep leaves it all the
// same; so do M16, M17: our own attaching never unlinks what is Python's.
func TestSweepLeavesPython(t *testing.T) {
	path := testproc.NeedTool(t, "python3")
	name := newName(t)
	s := must[*shm.Segment](t)(shm.Create(name, 100, &shm.Options{Owner: shm.OwnerUsers}))
	cmd := exec.Command(path, "-c", `
import sys
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
s = SharedMemory(sys.argv[1])
resource_tracker.unregister(s._name, "shared_memory")
print(oct(__import__("os").stat("/dev/shm/" + sys.argv[1]).st_mode), flush=True)
sys.stdin.read()
`, name)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = new(bytes.Buffer)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "0o101600\n", line, "the mark is no trouble to Python")
	leaveOrphan(t, s)
	swept := sweep(t, name)
	require.Len(t, swept, 1)
	require.ErrorIs(t, swept[0].Err, shm.ErrBusy)
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait(), "%s", cmd.Stderr)
	require.True(t, exists(name))
	require.Len(t, sweep(t, name), 1)
	require.False(t, exists(name))
}
