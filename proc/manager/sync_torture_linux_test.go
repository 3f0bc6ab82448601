package manager_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

type tortured struct {
	victim
	Inside *manager.Dict[string, int] // who is inside a lock, by its name; and "failed"
}

// alive says whether a process can still do something: it has not ended, nor is it about
// to, when it does nothing any more but the kernel has it a while yet.
func alive(pid int) bool {
	const exiting = 4 // PF_EXITING
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest) // state, five numbers, flags
	if len(f) < 7 {
		return false
	}
	flags, err := strconv.Atoi(f[6])
	return err == nil && f[0] != "Z" && f[0] != "X" && flags&exiting == 0
}

// exclusive does something that one process must do alone.
func (a *tortured) exclusive(ctx context.Context, name string) error {
	me := proc.Current().PID()
	pid, err := a.Inside.GetOr(ctx, name, 0)
	if err != nil {
		return err
	}
	if pid != 0 && pid != me && alive(pid) {
		return fmt.Errorf("%d and %d hold %s", pid, me, name)
	}
	if err := a.Inside.Set(ctx, name, me); err != nil {
		return err
	}
	return a.Inside.Set(ctx, name, 0)
}

// turn does one random thing. What it waits for it may not get.
func (a *tortured) turn(ctx context.Context) error {
	brief, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
	defer cancel()
	var err error
	switch rand.IntN(9) {
	case 0:
		if err = a.Lock.Acquire(brief); err == nil {
			err = errors.Join(a.exclusive(ctx, "Lock"), a.Lock.Release(ctx))
		}
	case 1:
		h := a.RLock.Holder()
		if err = h.Acquire(brief); err == nil {
			err = errors.Join(h.Acquire(ctx), a.exclusive(ctx, "RLock"), h.Release(ctx), h.Release(ctx))
		}
	case 2:
		if err = a.Bounded.Acquire(brief); err == nil {
			err = errors.Join(a.exclusive(ctx, "BoundedSemaphore"), a.Bounded.Release(ctx))
		}
	case 3:
		if err = a.Semaphore.Acquire(brief); err == nil {
			err = a.Semaphore.Release(ctx)
		}
	case 4:
		h := a.Condition.Holder()
		if err = h.Acquire(brief); err == nil {
			err = errors.Join(a.Condition.Wait(brief, h), a.exclusive(ctx, "Condition"), a.Condition.Notify(ctx, 1), h.Release(ctx))
		}
	case 5:
		if err = a.Event.Wait(brief); err == nil {
			err = a.Event.Clear(ctx)
		} else if errors.Is(err, context.DeadlineExceeded) {
			err = a.Event.Set(ctx)
		}
	case 6:
		_, err = a.Barrier.WaitAction(brief, func() error { return a.exclusive(ctx, "Barrier") })
		if errors.Is(err, manager.ErrBroken) {
			err = a.Barrier.Reset(ctx)
		}
	case 7:
		if err = a.Queue.Put(brief, 1); err == nil {
			_, err = a.Queue.Get(brief)
		}
	case 8:
		if err = a.Joinable.Put(brief, 1); err == nil {
			if _, err = a.Joinable.Get(brief); err == nil {
				err = a.Joinable.TaskDone(ctx)
			}
		}
	}
	if errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "hold") {
		return nil
	}
	return err
}

var syncTorturer = proc.Register("syncTorture", func(ctx context.Context, a tortured) error {
	failed := make(chan error)
	for range 3 {
		go func() {
			for {
				if err := a.turn(ctx); err != nil {
					failed <- err
				}
			}
		}()
	}
	err := <-failed
	return errors.Join(err, a.Inside.Set(ctx, "failed", 1))
})

// G22: processes do random things to all kinds, and are killed in the midst of them: nothing
// is held for ever, two never hold what one may hold, and nothing is left.
func TestSyncTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes two seconds")
	}
	m := started(t, nil)
	ctx := bounded(t)
	s := newScene(t, m, "Lock")
	inside, err := manager.NewDict[string, int](ctx, m)
	require.NoError(t, err)
	var all [5]*proc.Process
	start := func() *proc.Process {
		p, err := syncTorturer.Start(ctx, tortured{s.victim, inside}, &proc.Options{Stderr: os.Stderr})
		require.NoError(t, err)
		return p
	}
	for i := range all {
		all[i] = start()
	}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond) // sleep: let them do something
		p := &all[rand.IntN(len(all))]
		require.NoError(t, (*p).Kill())
		require.Error(t, (*p).Wait(ctx))
		*p = start()
	}
	for _, p := range all {
		require.NoError(t, p.Kill())
		require.Error(t, p.Wait(ctx))
	}
	failed, err := inside.GetOr(ctx, "failed", 0)
	require.NoError(t, err)
	require.Zero(t, failed, "a process has written why")
	for _, kind := range []string{"Lock", "RLock", "Semaphore", "BoundedSemaphore"} {
		v := s.victim
		v.Kind = kind
		require.NoError(t, v.get(ctx), kind)
	}
	h := s.Condition.Holder()
	require.NoError(t, h.Acquire(ctx))
	require.NoError(t, inside.Close())
	s.end(t)
}
