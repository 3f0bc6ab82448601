package main

import (
	"context"
	"errors"

	"github.com/shmkit/shmkit/ringbuf"
)

// fanChan is the channel of uint64.
var fanChan = fanPair("Chan, many", func(o *order) (sharedRing, error) {
	return ringbuf.NewChan[uint64]("", ringSlots, fanOptions(o, ringbuf.Hybrid))
}, func(o *order, f *fan) error {
	ctx := context.Background()
	c, err := ringbuf.OpenChanFile[uint64](o.file(1))
	if err != nil {
		return err
	}
	if p, ok := o.producer(); ok {
		var number uint64
		return errors.Join(f.produce(o, func(n int) (uint64, error) {
			for range n {
				number++
				if err := c.Send(ctx, item(p, number)); err != nil {
					return number, err
				}
			}
			return number, nil
		}, func() error { return c.CloseSend(ctx) }), c.Close())
	}
	return errors.Join(f.consume(o, func(n int, r *receipt) error {
		for range n {
			v, err := c.Recv(ctx)
			if err != nil {
				return err
			}
			if err := r.add(v); err != nil {
				return err
			}
		}
		return nil
	}), c.Close())
})
