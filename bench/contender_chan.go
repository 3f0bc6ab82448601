package main

import (
	"context"

	"github.com/shmkit/shmkit/ringbuf"
)

// word64 is a message of 64 bytes for a Chan.
type word64 [8]uint64

// chanPair is our typed channel: of uint64 for messages of 8 bytes, else of
// word64.
func chanPair(name string, strategy ringbuf.Strategy) *pair {
	return &pair{
		name: name,
		link: func(o *order) (*link, error) {
			return linkRings(func() (sharedRing, error) {
				options := &ringbuf.Options{Strategy: strategy}
				if o.Size == 8 {
					return ringbuf.NewChan[uint64]("", ringSlots, options)
				}
				return ringbuf.NewChan[word64]("", ringSlots, options)
			})
		},
		a: func(o *order) (*outcome, error) {
			if o.Size == 8 {
				return measureChan[uint64](o)
			}
			return measureChan[word64](o)
		},
		b: func(o *order) (*outcome, error) {
			if o.Size == 8 {
				return nil, unlessLeft(serveChan[uint64](o))
			}
			return nil, unlessLeft(serveChan[word64](o))
		},
	}
}

// chanEnds is one side: what it receives from, what it sends to.
type chanEnds[T any] struct{ in, out *ringbuf.Chan[T] }

func openChanEnds[T any](o *order) (e chanEnds[T], err error) {
	if e.in, err = ringbuf.OpenChanFile[T](o.file(0)); err != nil {
		return e, err
	}
	e.out = e.in
	if !o.alone() {
		e.out, err = ringbuf.OpenChanFile[T](o.file(1))
	}
	return e, err
}

func measureChan[T any](o *order) (*outcome, error) {
	e, err := openChanEnds[T](o)
	if err != nil {
		return nil, err
	}
	switch o.Job {
	case jobLatency:
		return o.measure(e.roundTrips())
	case jobAllocations, jobSystemCalls:
		return countCosts(o, e.roundTrips())
	case jobBatch:
		return o.measure(e.receiveBatches())
	}
	return o.measure(e.receive())
}

func serveChan[T any](o *order) error {
	e, err := openChanEnds[T](o)
	if err != nil {
		return err
	}
	switch o.Job {
	case jobLatency:
		return e.echo()
	case jobBatch:
		return e.sendBatches()
	}
	return e.send()
}

func (e chanEnds[T]) roundTrips() func(n int) error {
	ctx := context.Background()
	var number uint64
	return func(n int) error {
		var v T
		for range n {
			number++
			*numberIn(&v) = number
			if err := e.out.Send(ctx, v); err != nil {
				return err
			}
			got, err := e.in.Recv(ctx)
			if err != nil {
				return err
			}
			if *numberIn(&got) != number {
				return wrongNumber(*numberIn(&got), number)
			}
		}
		return nil
	}
}

func (e chanEnds[T]) echo() error {
	ctx := context.Background()
	for {
		v, err := e.in.Recv(ctx)
		if err != nil {
			return err
		}
		if err := e.out.Send(ctx, v); err != nil {
			return err
		}
	}
}

func (e chanEnds[T]) send() error {
	ctx := context.Background()
	var v T
	for {
		*numberIn(&v)++
		if err := e.out.Send(ctx, v); err != nil {
			return err
		}
	}
}

func (e chanEnds[T]) receive() func(n int) error {
	ctx := context.Background()
	var number uint64
	return func(n int) error {
		for range n {
			v, err := e.in.Recv(ctx)
			if err != nil {
				return err
			}
			number++
			if *numberIn(&v) != number {
				return wrongNumber(*numberIn(&v), number)
			}
		}
		return nil
	}
}

func (e chanEnds[T]) sendBatches() error {
	ctx := context.Background()
	batch := make([]T, batchSize)
	var number uint64
	for {
		for i := range batch {
			number++
			*numberIn(&batch[i]) = number
		}
		if _, err := e.out.SendBatch(ctx, batch); err != nil {
			return err
		}
	}
}

func (e chanEnds[T]) receiveBatches() func(n int) error {
	ctx := context.Background()
	batch := make([]T, batchSize)
	var number uint64
	return func(n int) error {
		for n > 0 {
			got, err := e.in.RecvBatch(ctx, batch[:min(n, batchSize)])
			if err != nil {
				return err
			}
			for i := range batch[:got] {
				number++
				if *numberIn(&batch[i]) != number {
					return wrongNumber(*numberIn(&batch[i]), number)
				}
			}
			n -= got
		}
		return nil
	}
}
