package manager_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

// withManager runs an example with a manager.
func withManager(example func(ctx context.Context, m *manager.Manager) error) {
	ctx := context.Background()
	m, err := manager.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if err := example(ctx, m); err != nil {
		log.Fatal(err)
	}
}

type account struct {
	Lock  *manager.Lock
	Money *manager.Dict[string, int]
}

// deposit is a function that other processes run.
var deposit = proc.Register("example.deposit", func(ctx context.Context, a account) error {
	if err := a.Lock.Acquire(ctx); err != nil {
		return err
	}
	defer a.Lock.Release(ctx)
	was, err := a.Money.Get(ctx, "alice")
	if err != nil {
		return err
	}
	return a.Money.Set(ctx, "alice", was+10)
})

// Processes take turns.
func ExampleLock() {
	withManager(func(ctx context.Context, m *manager.Manager) error {
		l, err := manager.NewLock(ctx, m)
		if err != nil {
			return err
		}
		d, err := manager.NewDict[string, int](ctx, m)
		if err != nil {
			return err
		}
		if err := d.Set(ctx, "alice", 100); err != nil {
			return err
		}
		var all []*proc.Process
		for range 4 {
			p, err := deposit.Start(ctx, account{l, d}, nil)
			if err != nil {
				return err
			}
			all = append(all, p)
		}
		for _, p := range all {
			if err := p.Wait(ctx); err != nil {
				return err
			}
		}
		fmt.Println(d.Get(ctx, "alice"))
		return nil
	})
	// Output: 140 <nil>
}

// Who holds an RLock may acquire it again; another holder may not.
func ExampleRLock() {
	withManager(func(ctx context.Context, m *manager.Manager) error {
		l, err := manager.NewRLock(ctx, m)
		if err != nil {
			return err
		}
		var h *manager.Holder = l.Holder()
		fmt.Println(h.Acquire(ctx), h.Acquire(ctx))
		fmt.Println(h.Count(ctx))
		fmt.Println(errors.Is(l.Holder().TryAcquire(ctx), manager.ErrLocked))
		fmt.Println(h.Release(ctx), h.Release(ctx))
		fmt.Println(errors.Is(h.Release(ctx), manager.ErrNotHeld))
		return nil
	})
	// Output:
	// <nil> <nil>
	// 2 <nil>
	// true
	// <nil> <nil>
	// true
}

// A Semaphore may be raised without a bound, a BoundedSemaphore not.
func ExampleSemaphore() {
	withManager(func(ctx context.Context, m *manager.Manager) error {
		s, err := manager.NewSemaphore(ctx, m, 1)
		if err != nil {
			return err
		}
		var b *manager.BoundedSemaphore
		if b, err = manager.NewBoundedSemaphore(ctx, m, 1); err != nil {
			return err
		}
		fmt.Println(s.Acquire(ctx), errors.Is(s.TryAcquire(ctx), manager.ErrLocked))
		fmt.Println(s.Release(ctx), s.Release(ctx))
		fmt.Println(s.Value(ctx))
		fmt.Println(errors.Is(b.Release(ctx), manager.ErrNotHeld))
		return nil
	})
	// Output:
	// <nil> true
	// <nil> <nil>
	// 2 <nil>
	// true
}

type order struct {
	Changed *manager.Condition
	Meals   *manager.Dict[string, int]
}

var cook = proc.Register("example.cook", func(ctx context.Context, o order) error {
	h := o.Changed.Holder()
	if err := h.Acquire(ctx); err != nil {
		return err
	}
	defer h.Release(ctx)
	if err := o.Meals.Set(ctx, "soup", 1); err != nil {
		return err
	}
	return o.Changed.Notify(ctx, 1)
})

// One process waits until another has changed something.
func ExampleCondition() {
	withManager(func(ctx context.Context, m *manager.Manager) error {
		lock, err := manager.NewLock(ctx, m)
		if err != nil {
			return err
		}
		var over manager.Lockable = lock // nil would be an RLock that only the condition has
		c, err := manager.NewCondition(ctx, m, over)
		if err != nil {
			return err
		}
		meals, err := manager.NewDict[string, int](ctx, m)
		if err != nil {
			return err
		}
		p, err := cook.Start(ctx, order{c, meals}, nil)
		if err != nil {
			return err
		}
		var l manager.Locker = lock // a c.Holder() would do as well
		if err := l.Acquire(ctx); err != nil {
			return err
		}
		err = c.WaitFor(ctx, l, func() (bool, error) { return meals.Contains(ctx, "soup") })
		if err != nil {
			return err
		}
		fmt.Println(meals.Get(ctx, "soup"))
		if err := l.Release(ctx); err != nil {
			return err
		}
		return p.Wait(ctx)
	})
	// Output: 1 <nil>
}

// Whoever waits for an event goes on when it is set.
func ExampleEvent() {
	withManager(func(ctx context.Context, m *manager.Manager) error {
		e, err := manager.NewEvent(ctx, m)
		if err != nil {
			return err
		}
		brief, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		fmt.Println(e.Wait(brief))
		fmt.Println(e.Set(ctx), e.Wait(ctx))
		fmt.Println(e.IsSet(ctx))
		return nil
	})
	// Output:
	// context deadline exceeded
	// <nil> <nil>
	// true <nil>
}

// Nobody goes on before all have come; the last one does something before.
func ExampleBarrier() {
	withManager(func(ctx context.Context, m *manager.Manager) error {
		b, err := manager.NewBarrier(ctx, m, 3)
		if err != nil {
			return err
		}
		passed := make(chan error)
		for range 3 {
			go func() {
				_, err := b.WaitAction(ctx, func() error {
					_, err := fmt.Println("all are here")
					return err
				})
				passed <- err
			}()
		}
		for range 3 {
			fmt.Println(<-passed)
		}
		return nil
	})
	// Output:
	// all are here
	// <nil>
	// <nil>
	// <nil>
}

// Items may have proxies.
func ExampleQueue() {
	withManager(func(ctx context.Context, m *manager.Manager) error {
		q, err := manager.NewQueue[account](ctx, m, 0)
		if err != nil {
			return err
		}
		d, err := manager.NewDict[string, int](ctx, m)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Set(ctx, "alice", 3), q.Put(ctx, account{Money: d}), q.CloseSend(ctx)); err != nil {
			return err
		}
		for a, err := range q.All(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(a.Money.Get(ctx, "alice"))
		}
		return nil
	})
	// Output: 3 <nil>
}

var square = proc.Register("example.square", func(ctx context.Context, q *manager.JoinableQueue[int]) error {
	for n, err := range q.All(ctx) {
		if err != nil {
			return err
		}
		fmt.Println(n * n)
		if err := q.TaskDone(ctx); err != nil {
			return err
		}
	}
	return nil
})

// Join waits until the workers have done everything.
func ExampleJoinableQueue() {
	withManager(func(ctx context.Context, m *manager.Manager) error {
		q, err := manager.NewJoinableQueue[int](ctx, m, &manager.JoinableOptions{Redeliver: true})
		if err != nil {
			return err
		}
		for n := range 3 {
			if err := q.Put(ctx, n); err != nil {
				return err
			}
		}
		if err := q.CloseSend(ctx); err != nil {
			return err
		}
		p, err := square.Start(ctx, q, &proc.Options{Stdout: os.Stdout})
		if err != nil {
			return err
		}
		fmt.Println(q.Join(ctx))
		return p.Wait(ctx)
	})
	// Output:
	// 0
	// 1
	// 4
	// <nil>
}
