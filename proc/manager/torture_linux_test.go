package manager_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc/manager"
)

var (
	torture     = flag.Duration("torture", 2*time.Second, "how long TestTorture goes on")
	tortureSeed = flag.Uint64("tortureseed", 0, "what TestTorture makes its random choices from; 0: something new")
)

const torturers = 6

// arena is what the processes of a torture share.
type arena struct {
	Dict     *manager.Dict[string, *manager.List[int]]
	Owner    *manager.Value[int]
	Turns    *manager.Array[int] // of each torturer: how often it had a permit
	Lock     *manager.Lock
	RLock    *manager.RLock
	Permits  *manager.BoundedSemaphore
	Cond     *manager.Condition
	Event    *manager.Event
	Barrier  *manager.Barrier
	Queue    *manager.Queue[[]*manager.List[int]]
	Joinable *manager.JoinableQueue[int]
	Counter  *manager.Object[counter]
	Over     *manager.Event
}

func newArena(ctx context.Context, m *manager.Manager) (a arena, err error) {
	var errs [13]error
	a.Dict, errs[0] = manager.NewDict[string, *manager.List[int]](ctx, m)
	a.Owner, errs[1] = manager.NewValue(ctx, m, 0)
	a.Turns, errs[2] = manager.NewArray(ctx, m, make([]int, torturers)...)
	a.Lock, errs[3] = manager.NewLock(ctx, m)
	a.RLock, errs[4] = manager.NewRLock(ctx, m)
	a.Permits, errs[5] = manager.NewBoundedSemaphore(ctx, m, 2)
	a.Cond, errs[6] = manager.NewCondition(ctx, m, nil)
	a.Event, errs[7] = manager.NewEvent(ctx, m)
	a.Barrier, errs[8] = manager.NewBarrier(ctx, m, 2)
	a.Queue, errs[9] = manager.NewQueue[[]*manager.List[int]](ctx, m, 10)
	a.Joinable, errs[10] = manager.NewJoinableQueue[int](ctx, m, &manager.JoinableOptions{Redeliver: true})
	a.Counter, errs[11] = counterType.New(ctx, m, 0)
	a.Over, errs[12] = manager.NewEvent(ctx, m)
	return a, errors.Join(errs[:]...)
}

func (a *arena) close() {
	for _, c := range []io.Closer{a.Dict, a.Owner, a.Turns, a.Lock, a.RLock, a.Permits, a.Cond, a.Event, a.Barrier,
		a.Queue, a.Joinable, a.Counter, a.Over} {
		c.Close()
	}
}

// lobby gives the arena to whoever connects. The lock is for the race detector, which does
// not see that those who ask were started afterwards: they are other processes.
type lobby struct {
	mu    sync.Mutex
	arena arena
}

func (l *lobby) Get() arena {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.arena
}

func (l *lobby) put(a arena) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arena = a
}

var theLobby = &lobby{}

var lobbyType = manager.RegisterType("lobby", func(context.Context, any) (*lobby, error) { return theLobby, nil }, nil)

// torturer is one process.
type torturer struct {
	arena
	m   *manager.Manager
	me  int
	rnd *rand.Rand
}

var errTorture = errors.New("torture")

// deeds are what a torturer does at random. ctx ends soon: that is no error.
var deeds = map[string]func(ctx context.Context, t *torturer) error{
	"nest": func(ctx context.Context, t *torturer) error {
		l, err := manager.NewList(ctx, t.m, t.me)
		if err != nil {
			return err
		}
		defer l.Close()
		return t.Dict.Set(ctx, fmt.Sprint(t.rnd.IntN(8)), l)
	},
	"take": func(ctx context.Context, t *torturer) error {
		l, err := t.Dict.Pop(ctx, fmt.Sprint(t.rnd.IntN(8)))
		if errors.Is(err, manager.ErrKey) {
			return nil
		}
		if err != nil {
			return err
		}
		defer l.Close()
		return l.Append(ctx, 1)
	},
	"lock": func(ctx context.Context, t *torturer) error {
		if err := t.Lock.Acquire(ctx); err != nil {
			return err
		}
		err := t.exclusive()
		return errors.Join(err, t.Lock.Release(context.Background()))
	},
	"rlock": func(ctx context.Context, t *torturer) error {
		h := t.RLock.Holder()
		if err := h.Acquire(ctx); err != nil {
			return err
		}
		err := h.Acquire(ctx)
		if err == nil {
			err = h.Release(context.Background())
		}
		return errors.Join(err, h.Release(context.Background()))
	},
	"permit": func(ctx context.Context, t *torturer) error {
		if err := t.Permits.Acquire(ctx); err != nil {
			return err
		}
		_, err := t.Turns.Update(ctx, t.me, func(n int) (int, error) { return n + 1, nil })
		return errors.Join(err, t.Permits.Release(context.Background()))
	},
	"wait": func(ctx context.Context, t *torturer) error {
		h := t.Cond.Holder()
		if err := h.Acquire(ctx); err != nil {
			return err
		}
		err := t.Cond.Wait(ctx, h)
		return errors.Join(err, h.Release(context.Background()))
	},
	"notify": func(ctx context.Context, t *torturer) error {
		h := t.Cond.Holder()
		if err := h.Acquire(ctx); err != nil {
			return err
		}
		err := t.Cond.Notify(context.Background(), 1)
		return errors.Join(err, h.Release(context.Background()))
	},
	"event": func(ctx context.Context, t *torturer) error {
		if t.rnd.IntN(2) == 0 {
			return errors.Join(t.Event.Set(ctx), t.Event.Clear(ctx))
		}
		return t.Event.Wait(ctx)
	},
	"barrier": func(ctx context.Context, t *torturer) error {
		_, err := t.Barrier.Wait(ctx)
		if errors.Is(err, manager.ErrBroken) {
			return t.Barrier.Reset(ctx)
		}
		return err
	},
	"put": func(ctx context.Context, t *torturer) error {
		l, err := manager.NewList(ctx, t.m, 1, 2)
		if err != nil {
			return err
		}
		defer l.Close()
		return errors.Join(t.Queue.Put(ctx, []*manager.List[int]{l}), t.Joinable.Put(ctx, t.me))
	},
	"get": func(ctx context.Context, t *torturer) error {
		ls, err := t.Queue.Get(ctx)
		if err != nil {
			return err
		}
		_, err = ls[0].Len(ctx)
		return errors.Join(err, ls[0].Close())
	},
	"task": func(ctx context.Context, t *torturer) error {
		_, done, err := t.Joinable.Take(ctx)
		if err != nil {
			return err
		}
		return done(context.Background())
	},
	"call": func(ctx context.Context, t *torturer) error {
		i, err := manager.Call[*manager.Iterator[int]](ctx, t.Counter, "Squares", 3)
		if err != nil {
			return err
		}
		_, err = i.Next(ctx)
		return errors.Join(err, i.Close())
	},
}

// exclusive says whether another process has the lock that this one has.
func (t *torturer) exclusive() error {
	background := context.Background()
	if err := t.Owner.Set(background, t.me); err != nil {
		return err
	}
	switch owner, err := t.Owner.Get(background); {
	case err != nil:
		return err
	case owner != t.me:
		return fmt.Errorf("%w: torturer %d has the lock of %d", errTorture, owner, t.me)
	}
	return nil
}

var _ = testproc.Helper("torturer", func(c *testproc.Child) {
	var me int
	var seed uint64
	_, err := fmt.Sscan(c.Args[1]+" "+c.Args[2], &me, &seed)
	require.NoError(c, err)
	ctx := context.Background()
	m, err := manager.Connect(ctx, c.Args[0], &manager.ConnectOptions{AuthKey: []byte("key")})
	require.NoError(c, err)
	l, err := lobbyType.New(ctx, m, nil)
	require.NoError(c, err)
	a, err := manager.Call[arena](ctx, l, "Get")
	require.NoError(c, err)
	t := &torturer{arena: a, m: m, me: me, rnd: rand.New(rand.NewPCG(seed, uint64(me)))}
	var names []string
	for name := range deeds {
		names = append(names, name)
	}
	slices.Sort(names)
	c.WriteLine("ready")
	for n := 0; ; n++ {
		if n%8 == 0 {
			if over, err := t.Over.IsSet(ctx); err != nil || over {
				require.NoError(c, err)
				break
			}
		}
		name := names[t.rnd.IntN(len(names))]
		soon, cancel := context.WithTimeout(ctx, time.Duration(1+t.rnd.IntN(8))*time.Millisecond)
		err := deeds[name](soon, t)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
	}
	a.close()
	l.Close()
	m.Close()
	c.WriteLine("over")
})

// Processes do random things to all kinds of objects, while a killer kills, stops and
// replaces one of them every few milliseconds, and three of four die at some crash point by
// themselves. In the end nothing that the dead had is left: no lock is held, no permit is
// missing, every task is done or had again, no object lives (G22).
//
//	go test -run Torture ./proc/manager -args -torture 60s
func TestTorture(t *testing.T) {
	seed := *tortureSeed
	if seed == 0 {
		seed = rand.Uint64() >> 2
	}
	t.Logf("-tortureseed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	binary := testproc.VictimBinary(t)
	points := slices.DeleteFunc(testproc.Points(t, ".", "../../ringbuf"), func(p string) bool {
		return p[:5] != "call." && p[:5] != "manag"
	})
	address := walkAddress(t)
	m := inside(t, &manager.Options{Address: address, AuthKey: []byte("key")})
	ctx, cancel := context.WithTimeout(t.Context(), *torture+time.Minute)
	defer cancel()
	a, err := newArena(ctx, m)
	require.NoError(t, err)
	theLobby.put(a)
	launch := func(i int) *testproc.Proc {
		o := []testproc.Option{testproc.Binary(binary), testproc.Args(address, fmt.Sprint(i), fmt.Sprint(rnd.Uint64()))}
		if rnd.IntN(4) > 0 {
			o = append(o, testproc.Env(fmt.Sprintf("SHMKIT_CRASHPOINT=%s:%d", points[rnd.IntN(len(points))], 1+rnd.IntN(40))))
		}
		return testproc.Start(t, "torturer", o...)
	}
	var procs [torturers]*testproc.Proc
	for i := range procs {
		procs[i] = launch(i)
	}
	kills, stops, died := 0, 0, 0
	for end := time.Now().Add(*torture); time.Now().Before(end); {
		time.Sleep(time.Duration(1+rnd.IntN(15)) * time.Millisecond) // sleep: the killer's rhythm
		i := rnd.IntN(torturers)
		p := procs[i]
		select {
		case <-p.Exited():
			died++
		default:
			if rnd.IntN(3) == 0 {
				p.Stop()
				stops++
				time.Sleep(time.Duration(rnd.IntN(5)) * time.Millisecond) // sleep: how long it is stopped
				p.Cont()
				continue
			}
			p.Kill()
			kills++
		}
		if state := p.Wait(); state.Exited() {
			t.Fatalf("torturer %d: %v\n%s", i, state, p.Stderr())
		}
		procs[i] = launch(i)
	}
	require.NoError(t, a.Over.Set(ctx))
	for _, p := range procs {
		if state := p.Wait(); state.Exited() && !state.Success() {
			t.Fatalf("torturer: %v\n%s", state, p.Stderr())
		}
	}
	require.NoError(t, a.Lock.Acquire(ctx))
	require.NoError(t, a.RLock.Holder().Acquire(ctx))
	require.NoError(t, a.Cond.Holder().Acquire(ctx))
	for n := 0; n < 2; n++ {
		require.NoError(t, a.Permits.Acquire(ctx))
	}
	value, err := a.Permits.Value(ctx)
	require.NoError(t, err)
	require.Zero(t, value)
	for {
		_, done, err := a.Joinable.Take(shortly(t))
		if err != nil {
			break
		}
		require.NoError(t, done(ctx))
	}
	require.NoError(t, a.Joinable.Join(ctx))
	theLobby.put(arena{})
	a.close()
	nothingLeft(t, m)
	info, err := m.Info(ctx)
	require.NoError(t, err)
	require.Equal(t, []int{os.Getpid()}, info.Clients)
	t.Logf("%d killed, %d stopped, %d died at a crash point", kills, stops, died)
}

func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}
