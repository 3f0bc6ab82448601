package manager_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

// doEverything does a little of everything that a client does, and returns the first error.
func doEverything(ctx context.Context, m *manager.Manager) error {
	d, err := manager.NewDict[string, inner](ctx, m)
	if err != nil {
		return err
	}
	defer d.Close()
	nested, err := manager.NewDict[string, int](ctx, m)
	if err != nil {
		return err
	}
	if err := d.Set(ctx, "a", inner{"x", nested}); err != nil {
		return err
	}
	if err := nested.Close(); err != nil {
		return err
	}
	i, err := d.Get(ctx, "a")
	if err != nil {
		return err
	}
	if err := i.List.Set(ctx, strings.Repeat("long", 100), 1); err != nil {
		return err
	}
	if _, err := i.List.Copy(ctx); err != nil {
		return err
	}
	if err := errors.Join(sendOneself(ctx, i.List), i.List.Close()); err != nil {
		return err
	}
	c, err := counterType.New(ctx, m, 1)
	if err != nil {
		return err
	}
	defer c.Close()
	child, err := manager.Call[*manager.Object[counter]](ctx, c, "Child")
	if err != nil {
		return err
	}
	if _, err := counterAdd.Call(ctx, child, 1); err != nil {
		return err
	}
	if err := child.Close(); err != nil {
		return err
	}
	squares, err := manager.Call[*manager.Iterator[int]](ctx, c, "Squares", 3)
	if err != nil {
		return err
	}
	for _, err := range squares.All(ctx) {
		if err != nil {
			return err
		}
	}
	if err := squares.Close(); err != nil {
		return err
	}
	return waitALittle(ctx, c)
}

// sendOneself sends a proxy through a queue and receives it.
func sendOneself(ctx context.Context, d *manager.Dict[string, int]) error {
	q, err := proc.NewQueue[*manager.Dict[string, int]](&proc.QueueOptions{MaxBytes: 1 << 12, Producers: 1, Consumers: 1})
	if err != nil {
		return err
	}
	defer q.Close()
	if err := q.Put(ctx, d); err != nil {
		return err
	}
	got, err := q.Get(ctx)
	if err != nil {
		return err
	}
	defer got.Close()
	return got.Set(ctx, "sent", 1)
}

// waitALittle has twenty goroutines wait, in clients of their own too, and give up.
func waitALittle(ctx context.Context, c *manager.Object[counter]) error {
	before, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 20)
	for range 20 {
		go func() {
			_, err := manager.Call[any](before, c, "Hold")
			if errors.Is(err, context.Canceled) {
				err = nil
			}
			failed <- err
		}()
	}
	for n := 0; n < 20; {
		var err error
		if n, err = manager.Call[int](ctx, c, "Holding"); err != nil {
			return err
		}
	}
	cancel()
	var first error
	for range 20 {
		if err := <-failed; first == nil {
			first = err
		}
	}
	return first
}

var _ = testproc.Helper("clientVictim", func(c *testproc.Child) {
	m, err := manager.Connect(context.Background(), c.Args[0], &manager.ConnectOptions{AuthKey: []byte("key")})
	require.NoError(c, err)
	require.NoError(c, doEverything(context.Background(), m))
	require.NoError(c, m.Close())
})

var _ = testproc.Helper("serverVictim", func(c *testproc.Child) {
	m, err := manager.New(context.Background(), &manager.Options{Address: c.Args[0], AuthKey: []byte("key")})
	require.NoError(c, err)
	c.WriteLine("ready")
	c.Park()
	require.NoError(c, m.Close())
})

func walkAddress(t *testing.T) string {
	return filepath.Join("@shmkit-test", fmt.Sprint(os.Getpid()), t.Name())
}

// clientDies: whatever a client was doing when it was killed, nothing of it stays in the
// manager, and others go on.
func clientDies(t *testing.T, v *testproc.Victim) {
	address := walkAddress(t)
	m := inside(t, &manager.Options{Address: address, AuthKey: []byte("key")})
	d := dict(t, m)
	p := v.Start("clientVictim", testproc.Args(address))
	p.Wait()
	require.NoError(t, d.Set(bounded(t), "a", 1))
	require.NoError(t, doEverything(bounded(t), m))
	require.NoError(t, d.Close())
	nothingLeft(t, m)
}

// serverDies: whatever the server was doing when it was killed, every call fails at once.
func serverDies(t *testing.T, v *testproc.Victim) {
	address := walkAddress(t)
	p := v.Start("serverVictim", testproc.Args(address))
	if line, ok := p.NextLine(); !ok || line != "ready" {
		p.Wait()
		return // it has died before anybody could connect
	}
	m, err := manager.Connect(bounded(t), address, &manager.ConnectOptions{AuthKey: []byte("key")})
	for range 2 {
		if err == nil {
			err = doEverything(bounded(t), m)
		}
	}
	if m != nil {
		require.NoError(t, m.Close())
	}
	p.CloseStdin()
	p.Wait()
	if err != nil {
		require.True(t, v.Fired(), "%v", err)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
	}
}

// G22, with deaths.
func TestCrashWalk(t *testing.T) {
	testproc.CrashWalk(t, &testproc.WalkOptions{
		Dirs: []string{".", "../../ringbuf"}, Prefix: []string{"manager.", "call."},
		// Of these the walks of package ringbuf make sure; here they lie on a path by
		// chance only, if at all.
		Skip: []string{
			"call.client.tidied", "call.disowned", "call.burying", "call.buried", "call.server.mourned", "call.failed",
			"call.roomy", "call.queued", "call.orphaned", "call.watched", "call.withdrawn",
		},
	}, clientDies, serverDies)
}
