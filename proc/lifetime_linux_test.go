package proc_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// sweepNames sweeps those that contain part, and returns how many there were.
func sweepNames(t *testing.T, part string) int {
	t.Helper()
	swept, err := shm.Sweep(&shm.SweepOptions{Match: func(i shm.Info) bool { return strings.Contains(i.Name, part) }})
	require.NoError(t, err)
	return len(swept)
}

// leftNames returns the names in /dev/shm that contain part.
func leftNames(t *testing.T, part string) (names []string) {
	t.Helper()
	infos, err := shm.List()
	require.NoError(t, err)
	for _, i := range infos {
		if strings.Contains(i.Name, part) {
			names = append(names, i.Name)
		}
	}
	return names
}

type ending struct{ Part, How string }

// leaveNames makes named objects, closes none of them, and ends.
var leaveNames = proc.Register("leaveNames", func(ctx context.Context, e ending) error {
	errs := make([]error, 5)
	_, errs[0] = shm.Create(e.Part+"1", 100, &shm.Options{Owner: shm.OwnerCreator})
	_, errs[1] = shm.NewValue(e.Part+"2", 1, &shm.Options{Scope: shm.NewScope()})
	_, errs[2] = ringbuf.NewQueue(e.Part+"3", &ringbuf.Options{Owner: ringbuf.OwnerUsers})
	_, errs[3] = ringbuf.NewChan[int](e.Part+"4", 10, &ringbuf.Options{Owner: ringbuf.OwnerCreator})
	_, errs[4] = semaphore.Open(e.Part+"5", &semaphore.OpenOptions{Create: true, Owner: semaphore.OwnerUsers})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	switch e.How {
	case "Exit":
		proc.Exit(0)
	case "os.Exit":
		os.Exit(0)
	case "error":
		return errors.New("sorry")
	}
	return nil
})

// An orderly end closes what the process owns; any other leaves orphans.
func TestNamesAtTheEnd(t *testing.T) {
	for how, left := range map[string]int{"return": 0, "Exit": 0, "error": 0, "os.Exit": 5} {
		part := testproc.Name(t) + "-"
		p := start(t, leaveNames, ending{part, how}, nil)
		p.Wait(watchdog(t))
		require.Len(t, leftNames(t, part), left, how)
		require.Equal(t, left, sweepNames(t, part), how)
		require.Empty(t, leftNames(t, part))
	}
}

// openBoth opens a semaphore as a package-level variable would, in a parent and in its
// child.
var openBoth *proc.Func[ending]

func init() {
	openBoth = proc.Register("openBoth", func(ctx context.Context, e ending) error {
		_, err := semaphore.Open(e.Part, &semaphore.OpenOptions{
			Create: true, Exist: semaphore.ExistOpen, Value: 1, Owner: semaphore.OwnerUsers,
		})
		if err != nil || e.How == "child" {
			return err
		}
		p, err := openBoth.Start(ctx, ending{e.Part, "child"}, nil)
		if err != nil {
			return err
		}
		if err := p.Wait(ctx); err != nil {
			return err
		}
		again, err := semaphore.Open(e.Part, nil) // the child was not the last
		if err != nil {
			return err
		}
		return again.Close()
	})
}

// S18: a named semaphore that is made when the program starts, in the parent and again
// in the child, leaves no name.
func TestNamedInParentAndChild(t *testing.T) {
	name := testproc.Name(t)
	require.NoError(t, start(t, openBoth, ending{name, "parent"}, nil).Wait(watchdog(t)))
	require.Empty(t, leftNames(t, name))
}

type carried struct {
	Segment *shm.Segment
	Queue   *ringbuf.Queue
	Chan    *ringbuf.Chan[int]
	Ring    *ringbuf.Ring
	Calls   *ringbuf.Exchange
	Sender  *ringbuf.Producer
	Hold    *file
}

var keepNames = proc.Register("keepNames", func(ctx context.Context, c *carried) error {
	_, err := c.Hold.Read(make([]byte, 1)) // until the test closes it
	if c.Segment.Size() != 100 {
		return err
	}
	return nil
})

// What a child was given is its own: it is told so by List, the parent may close it,
// and the name goes when the child ends.
func TestNamesTravel(t *testing.T) {
	part := testproc.Name(t) + "-"
	in, release := heldInput(t)
	c := &carried{Hold: in}
	var err error
	users := &ringbuf.Options{Owner: ringbuf.OwnerUsers}
	c.Segment, err = shm.Create(part+"1", 100, &shm.Options{Owner: shm.OwnerUsers})
	require.NoError(t, err)
	c.Queue, err = ringbuf.NewQueue(part+"2", users)
	require.NoError(t, err)
	c.Chan, err = ringbuf.NewChan[int](part+"3", 10, users)
	require.NoError(t, err)
	c.Ring, err = ringbuf.New(part+"4", users)
	require.NoError(t, err)
	c.Calls, err = ringbuf.NewExchange(part+"5", &ringbuf.ExchangeOptions{Owner: ringbuf.OwnerUsers})
	require.NoError(t, err)
	ring, err := ringbuf.New(part+"6", users)
	require.NoError(t, err)
	c.Sender, err = ring.Producer()
	require.NoError(t, err)
	p := start(t, keepNames, c, nil)
	require.NoError(t, errors.Join(c.Segment.Close(), c.Queue.Close(), c.Chan.Close(), c.Ring.Close(), c.Calls.Close(), ring.Close()))
	infos, err := shm.List()
	require.NoError(t, err)
	found := 0
	for _, i := range infos {
		if strings.Contains(i.Name, part) {
			require.Equal(t, []int{p.PID()}, i.Attached, i.Name)
			found++
		}
	}
	require.Equal(t, 6, found)
	release()
	require.NoError(t, p.Wait(watchdog(t)))
	require.Empty(t, leftNames(t, part))
}
