package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/proc/manager"
)

// Contenders that use a manager in a process of its own: its place is the other one.

// managerBind binds the server process.
var managerBind = manager.RegisterInit("bind", func(_ context.Context, cpu int) error { return bind(cpu) })

// withManager is a side that works with a manager.
func withManager(work func(ctx context.Context, o *order, m *manager.Manager) (*outcome, error)) func(o *order) (*outcome, error) {
	return func(o *order) (out *outcome, err error) {
		ctx := context.Background()
		m, err := manager.Start(ctx, &manager.Options{Init: managerBind(o.Other)})
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, m.Close()) }()
		if err := bind(o.CPU); err != nil {
			return nil, err
		}
		return work(ctx, o, m)
	}
}

// dictPair sets and gets.
var dictPair = &pair{name: "Dict", late: true, a: withManager(func(ctx context.Context, o *order, m *manager.Manager) (*outcome, error) {
	d, err := manager.NewDict[string, uint64](ctx, m)
	if err != nil {
		return nil, err
	}
	if o.Job == jobFour {
		return four(ctx, o, dictClient, d)
	}
	return o.measure(setsAndGets(ctx, d, 0))
})}

var dictClient = newClient("dict client", func(ctx context.Context, d *manager.Dict[string, uint64], client int) (func(n int) error, error) {
	return setsAndGets(ctx, d, client), nil
})

// setsAndGets sets the value of the client's key to the next numbers, and gets each.
func setsAndGets(ctx context.Context, d *manager.Dict[string, uint64], client int) func(n int) error {
	key, number := fmt.Sprintf("client-%d", client), uint64(0)
	return func(n int) error {
		for range n {
			number++
			if err := d.Set(ctx, key, number); err != nil {
				return err
			}
			got, err := d.Get(ctx, key)
			if err != nil {
				return err
			}
			if got != number {
				return wrongNumber(got, number)
			}
		}
		return nil
	}
}

// dictMadePair makes a Dict and closes it.
var dictMadePair = &pair{name: "NewDict and Close", late: true, a: withManager(func(ctx context.Context, o *order, m *manager.Manager) (*outcome, error) {
	out, err := o.measure(func(n int) error {
		for range n {
			d, err := manager.NewDict[string, uint64](ctx, m)
			if err != nil {
				return err
			}
			if err := d.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if n, err := m.NumberOfObjects(ctx); n != 0 || err != nil {
		return nil, fmt.Errorf("%d dictionaries are left: %w", n, err)
	}
	return out, nil
})}
