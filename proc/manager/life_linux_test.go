package manager_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
	"github.com/shmkit/shmkit/ringbuf"
)

func dict(t testing.TB, m *manager.Manager) *manager.Dict[string, int] {
	t.Helper()
	d, err := manager.NewDict[string, int](bounded(t), m)
	require.NoError(t, err)
	return d
}

// G04: an orderly end has exit code 0; G05: Close ends it.
func TestShutdown(t *testing.T) {
	m := started(t, nil)
	d := dict(t, m)
	p := m.Process()
	require.True(t, p.Alive())
	require.Contains(t, m.String(), fmt.Sprint(p.PID()))
	require.NoError(t, m.Shutdown(bounded(t)))
	code, ok := p.ExitCode()
	require.True(t, ok)
	require.Zero(t, code)
	require.NoError(t, m.Close(), "again")
	require.ErrorIs(t, d.Set(bounded(t), "a", 1), manager.ErrManagerGone)
	_, err := manager.NewDict[string, int](bounded(t), m)
	require.ErrorIs(t, err, manager.ErrClosed)
	require.NoError(t, d.Close())
	require.ErrorIs(t, d.Set(bounded(t), "a", 1), manager.ErrClosed)
}

func TestShutdownOfOneThatDoesNotAnswer(t *testing.T) {
	m := started(t, &manager.Options{ShutdownTimeout: 10 * time.Millisecond})
	freeze(t, m.Process().PID())
	err := m.Shutdown(bounded(t))
	var exit *proc.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, syscall.SIGKILL, exit.Signal)
}

// A SIGTERM ends it in order, a SIGINT does not, nor does it reach those who use it.
func TestSignals(t *testing.T) {
	m := started(t, nil)
	d := dict(t, m)
	require.NoError(t, m.Process().Interrupt())
	require.NoError(t, d.Set(bounded(t), "a", 1))
	require.NoError(t, m.Process().Terminate())
	require.NoError(t, m.Process().Wait(bounded(t)))
	require.ErrorIs(t, d.Set(bounded(t), "a", 1), manager.ErrManagerGone)
}

// Every call to a manager that was killed fails at once, those that wait too.
func TestManagerKilled(t *testing.T) {
	m := started(t, nil)
	d := dict(t, m)
	c, err := counterType.New(bounded(t), m, 0)
	require.NoError(t, err)
	const waiting = 40
	failed := make(chan error)
	for range waiting {
		go func() {
			_, err := manager.Call[any](t.Context(), c, "Hold")
			failed <- err
		}()
	}
	_, err = counterAdd.Call(bounded(t), c, 1)
	require.NoError(t, err)
	require.NoError(t, m.Process().Kill())
	for range waiting {
		require.ErrorIs(t, <-failed, manager.ErrManagerGone)
	}
	_, err = d.Get(bounded(t), "a")
	require.ErrorIs(t, err, manager.ErrManagerGone)
	require.NoError(t, d.Close())
	var exit *proc.ExitError
	require.ErrorAs(t, m.Shutdown(bounded(t)), &exit)
}

// A stopped manager answers later; whose context ends has not waited longer.
func TestManagerStopped(t *testing.T) {
	m := started(t, nil)
	d := dict(t, m)
	require.NoError(t, d.Set(bounded(t), "a", 1))
	freeze(t, m.Process().PID())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, d.Set(ctx, "a", 2), context.DeadlineExceeded)
	require.NoError(t, syscall.Kill(m.Process().PID(), syscall.SIGCONT))
	_, err := d.Get(bounded(t), "a")
	require.NoError(t, err)
}

var initRan int

var initialize = manager.RegisterInit("initialize", func(_ context.Context, n int) error {
	if n < 0 {
		return errSpecial
	}
	initRan += n
	return nil
})

type initCount struct{}

func (*initCount) Get() int { return initRan }

var initCountType = manager.RegisterType("initCount", func(context.Context, any) (*initCount, error) { return &initCount{}, nil }, nil)

// G09.
func TestInitializer(t *testing.T) {
	m := started(t, &manager.Options{Init: initialize(3)})
	o, err := initCountType.New(bounded(t), m, nil)
	require.NoError(t, err)
	n, err := manager.Call[int](bounded(t), o, "Get")
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Zero(t, initRan, "it ran here")

	_, err = manager.Start(bounded(t), &manager.Options{Init: initialize(-1)})
	var child *proc.ChildError
	require.ErrorAs(t, err, &child)
	require.ErrorContains(t, err, "special")
	_, err = manager.New(bounded(t), &manager.Options{Init: initialize(-1)})
	require.ErrorIs(t, err, errSpecial)
	require.Panics(t, func() { manager.RegisterInit[int]("initialize", nil) })
}

type remoteJob struct {
	Address string
	Key     []byte
}

// store has what everybody who connects shares.
type store struct{ Values *manager.Dict[string, any] }

func (s *store) Dict() *manager.Dict[string, any]     { return s.Values }
func (s *store) SetDict(d *manager.Dict[string, any]) { s.Values = d }

var theStore = &store{}

var storeType = manager.RegisterType("store", func(context.Context, any) (*store, error) { return theStore, nil }, nil)

var remoteClient = proc.Register("remoteClient", func(ctx context.Context, j remoteJob) error {
	m, err := manager.Connect(ctx, j.Address, &manager.ConnectOptions{AuthKey: j.Key})
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.Shutdown(ctx); !errors.Is(err, manager.ErrNotOwner) {
		return fmt.Errorf("shut down by a stranger: %v", err)
	}
	s, err := storeType.New(ctx, m, nil)
	if err != nil {
		return err
	}
	d, err := manager.Call[*manager.Dict[string, any]](ctx, s, "Dict")
	if err != nil {
		return err
	}
	return d.SetAll(ctx, map[string]any{"nil": nil, "bool": true, "float": 2.5, "text": "grüß", "bytes": []byte("\xff")})
})

// G06: another process connects by address and key; types are preserved; what cannot be
// encoded is an error.
func TestConnect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "manager")
	for _, address := range []string{path, fmt.Sprintf("@shmkit-test-%d", os.Getpid())} {
		key := []byte("secret")
		m := started(t, &manager.Options{Address: address, AuthKey: key})
		require.Equal(t, address, m.Address())
		s, err := storeType.New(bounded(t), m, nil)
		require.NoError(t, err)
		d, err := manager.NewDict[string, any](bounded(t), m)
		require.NoError(t, err)
		_, err = manager.Call[any](bounded(t), s, "SetDict", d)
		require.NoError(t, err)
		p, err := remoteClient.Start(bounded(t), remoteJob{address, key}, nil)
		require.NoError(t, err)
		require.NoError(t, p.Wait(bounded(t)))
		got, err := d.Copy(bounded(t))
		require.NoError(t, err)
		require.Equal(t, map[string]any{"nil": nil, "bool": true, "float": 2.5, "text": "grüß", "bytes": []byte("\xff")}, got)
		require.ErrorIs(t, d.Set(bounded(t), "func", func() {}), manager.ErrArgument)

		for _, wrong := range [][]byte{[]byte("other"), {}} {
			_, err = manager.Connect(bounded(t), address, &manager.ConnectOptions{AuthKey: wrong})
			require.ErrorIs(t, err, manager.ErrAuth)
		}
		_, err = manager.Start(bounded(t), &manager.Options{Address: address})
		require.ErrorContains(t, err, "address already in use") // C19
		require.NoError(t, m.Close())
		_, err = manager.Connect(bounded(t), address, nil)
		require.Error(t, err)
	}
	_, err := manager.Connect(bounded(t), path, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// G07: the address can be used again at once, also when the server was killed.
func TestRapidRestart(t *testing.T) {
	address := filepath.Join(t.TempDir(), "manager")
	for n := range 4 {
		m := started(t, &manager.Options{Address: address})
		c, err := manager.Connect(bounded(t), address, nil)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		if n%2 == 0 {
			require.NoError(t, m.Process().Kill())
		}
		m.Close()
	}
}

var makesManager = proc.Register("makesManager", func(ctx context.Context, c *proc.Conn) error {
	m, err := manager.Start(ctx, nil)
	if err != nil {
		return err
	}
	d, err := manager.NewDict[string, int](ctx, m)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Set(ctx, "a", 1), c.Send(ctx, d), c.Send(ctx, m.Process().PID())); err != nil {
		return err
	}
	var stay bool
	if err := c.Recv(ctx, &stay); err != nil {
		return err
	}
	return nil // proc.Exit shuts it down
})

// A manager whose starter was killed lives while others use it; one whose starter ends in
// order ends with it.
func TestOrphanedManager(t *testing.T) {
	for _, killed := range []bool{true, false} {
		ours, theirs, err := proc.Pipe(nil)
		require.NoError(t, err)
		p, err := makesManager.Start(bounded(t), theirs, nil)
		require.NoError(t, err)
		var d manager.Dict[string, int]
		var pid int
		require.NoError(t, ours.Recv(bounded(t), &d))
		require.NoError(t, ours.Recv(bounded(t), &pid))
		server, err := os.FindProcess(pid)
		require.NoError(t, err)
		if killed {
			require.NoError(t, p.Kill())
			require.Error(t, p.Wait(bounded(t)))
			n, err := d.Get(bounded(t), "a")
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.NoError(t, d.Close())
		} else {
			require.NoError(t, ours.Send(bounded(t), true))
			require.NoError(t, p.Wait(bounded(t)))
			_, err := d.Get(bounded(t), "a")
			require.ErrorIs(t, err, manager.ErrManagerGone)
		}
		for ctx := bounded(t); server.Signal(syscall.Signal(0)) == nil; {
			require.NoError(t, ctx.Err())
			time.Sleep(time.Millisecond) // sleep: it is nobody's child here
		}
		ours.Close()
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []manager.Options{{MaxMessage: -1}, {MaxObjects: -1}, {Clients: 5000}, {Workers: 17}, {ShutdownTimeout: -1}} {
		_, err := manager.Start(bounded(t), &o)
		require.ErrorIs(t, err, manager.ErrOption)
		_, err = manager.New(bounded(t), &o)
		require.ErrorIs(t, err, manager.ErrOption)
	}
	var none *manager.Manager
	_, err := manager.NewDict[string, int](bounded(t), none)
	require.ErrorIs(t, err, manager.ErrClosed)
}

func TestLimits(t *testing.T) {
	m := started(t, &manager.Options{MaxMessage: 1 << 16, MaxObjects: 3})
	ctx := bounded(t)
	d, err := manager.NewDict[string, []byte](ctx, m)
	require.NoError(t, err)
	require.ErrorIs(t, d.Set(ctx, "a", make([]byte, 1<<17)), ringbuf.ErrTooLarge)
	require.NoError(t, d.Set(ctx, "a", make([]byte, 1<<15)))
	var all []*manager.Dict[string, int]
	for range 2 {
		all = append(all, dict(t, m))
	}
	_, err = manager.NewDict[string, int](ctx, m)
	require.ErrorIs(t, err, manager.ErrTooManyObjects)
	require.NoError(t, all[0].Close())
	_, err = manager.NewDict[string, int](ctx, m)
	require.NoError(t, err)
}

type crowdJob struct {
	D    *manager.Dict[string, int]
	Name string
	Wait *proc.Conn
}

var crowdMember = proc.Register("crowdMember", func(ctx context.Context, j crowdJob) error {
	for range 5 {
		if _, err := j.D.Update(ctx, "sum", func(n int, _ bool) (int, error) { return n + 1, nil }); err != nil {
			return err
		}
	}
	return j.D.Set(ctx, j.Name, 1)
})

// Two hundred processes at once.
func TestManyClients(t *testing.T) {
	many := 200
	if testing.Short() {
		many = 20
	}
	m := started(t, nil)
	d := dict(t, m)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for n := range many {
		wg.Go(func() {
			p, err := crowdMember.Start(ctx, crowdJob{D: d, Name: fmt.Sprint(n)}, nil)
			if err == nil {
				err = p.Wait(ctx)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n, err := d.Get(ctx, "sum")
	require.NoError(t, err)
	require.Equal(t, 5*many, n)
	n, err = d.Len(ctx)
	require.NoError(t, err)
	require.Equal(t, many+1, n)
	require.NoError(t, d.Close())
	nothingLeft(t, m)
}

var idler = proc.Register("idler", func(ctx context.Context, j crowdJob) error {
	mine := make([]*manager.Dict[string, int], 0)
	for range 3 {
		if err := j.D.Set(ctx, j.Name, 1); err != nil {
			return err
		}
	}
	_ = mine
	if err := j.Wait.Send(ctx, true); err != nil {
		return err
	}
	for { // until it is stopped, or killed, in the middle of something
		if err := j.D.Set(ctx, j.Name, 2); err != nil {
			return err
		}
	}
})

// A client that is stopped in the middle of a call holds nobody up; one that is killed
// there leaves nothing.
func TestStoppedClient(t *testing.T) {
	m := started(t, nil)
	d := dict(t, m)
	ours, theirs, err := proc.Pipe(nil)
	require.NoError(t, err)
	p, err := idler.Start(bounded(t), crowdJob{D: d, Name: "idler", Wait: theirs}, nil)
	require.NoError(t, err)
	var there bool
	require.NoError(t, ours.Recv(bounded(t), &there))
	freeze(t, p.PID())
	for n := range 100 {
		require.NoError(t, d.Set(bounded(t), "mine", n))
	}
	info, err := m.Info(bounded(t))
	require.NoError(t, err)
	require.Len(t, info.Objects, 1)
	require.Contains(t, info.Objects[0].Clients, p.PID())
	require.NoError(t, p.Kill())
	require.NoError(t, d.Close())
	nothingLeft(t, m)
	require.NoError(t, ours.Close())
}
