package main

import (
	"context"
	"encoding/binary"
	"fmt"
)

// measuring is side a's part of a job.
func (e *ringEnds) measuring(o *order) (*outcome, error) {
	switch o.Job {
	case jobLatency:
		return o.measure(e.roundTrips(o.Size))
	case jobAllocations, jobSystemCalls:
		return countCosts(o, e.roundTrips(64))
	case jobBatch:
		return o.measure(e.receiveBatches(o.Size))
	case jobZeroCopy:
		return o.measure(e.readInPlace())
	case jobLoaned:
		return o.measure(e.loanedTrips(o.Size))
	}
	return o.measure(e.receive(o.Size))
}

// serving is side b's; it ends when side a has gone.
func (e *ringEnds) serving(o *order) error {
	switch o.Job {
	case jobLatency:
		return e.echo(o.Size)
	case jobBatch:
		return e.sendBatches(o.Size)
	case jobZeroCopy:
		return e.writeInPlace(o.Size)
	case jobLoaned:
		return e.loanBack()
	}
	return e.send(o.Size)
}

func (e *ringEnds) roundTrips(size int) func(n int) error {
	ctx := context.Background()
	in, out := make([]byte, size), make([]byte, size)
	var number uint64
	return func(n int) error {
		for range n {
			number++
			binary.NativeEndian.PutUint64(out, number)
			if err := e.out.Send(ctx, out); err != nil {
				return err
			}
			p, err := e.in.Recv(ctx, in)
			if err != nil {
				return err
			}
			if err := checkNumber(p, number); err != nil {
				return err
			}
		}
		return nil
	}
}

func (e *ringEnds) echo(size int) error {
	ctx := context.Background()
	buf := make([]byte, size)
	for {
		p, err := e.in.Recv(ctx, buf)
		if err != nil {
			return err
		}
		if err := e.out.Send(ctx, p); err != nil {
			return err
		}
	}
}

func (e *ringEnds) send(size int) error {
	ctx := context.Background()
	p := make([]byte, size)
	for number := uint64(1); ; number++ {
		binary.NativeEndian.PutUint64(p, number)
		if err := e.out.Send(ctx, p); err != nil {
			return err
		}
	}
}

func (e *ringEnds) receive(size int) func(n int) error {
	ctx := context.Background()
	buf := make([]byte, size)
	var number uint64
	return func(n int) error {
		for range n {
			p, err := e.in.Recv(ctx, buf)
			if err != nil {
				return err
			}
			number++
			if err := checkNumber(p, number); err != nil {
				return err
			}
		}
		return nil
	}
}

func (e *ringEnds) writeInPlace(size int) error {
	ctx := context.Background()
	for number := uint64(1); ; number++ {
		p, err := e.out.Reserve(ctx, size)
		if err != nil {
			return err
		}
		binary.NativeEndian.PutUint64(p, number)
		if err := e.out.Commit(size); err != nil {
			return err
		}
	}
}

func (e *ringEnds) readInPlace() func(n int) error {
	ctx := context.Background()
	var number uint64
	return func(n int) error {
		for range n {
			p, err := e.in.Next(ctx)
			if err != nil {
				return err
			}
			number++
			if err := checkNumber(p, number); err != nil {
				return err
			}
			e.in.Release()
		}
		return nil
	}
}

// loanedTrips neither writes nor reads the messages: only the loan is measured,
// and only the length can be checked.
func (e *ringEnds) loanedTrips(size int) func(n int) error {
	return func(n int) error {
		for range n {
			if err := e.lend(size); err != nil {
				return err
			}
			got, err := e.borrow()
			if err != nil {
				return err
			}
			if got != size {
				return fmt.Errorf("a message of %d bytes arrived as %d", size, got)
			}
		}
		return nil
	}
}

func (e *ringEnds) loanBack() error {
	for {
		n, err := e.borrow()
		if err != nil {
			return err
		}
		if err := e.lend(n); err != nil {
			return err
		}
	}
}

func (e *ringEnds) lend(size int) error {
	if _, err := e.out.Reserve(context.Background(), size); err != nil {
		return err
	}
	return e.out.Commit(size)
}

func (e *ringEnds) borrow() (int, error) {
	p, err := e.in.Next(context.Background())
	if err != nil {
		return 0, err
	}
	e.in.Release()
	return len(p), nil
}

func (e *ringEnds) sendBatches(size int) error {
	ctx := context.Background()
	batch := makeBatch(size)
	var number uint64
	for {
		for _, p := range batch {
			number++
			binary.NativeEndian.PutUint64(p, number)
		}
		if _, err := e.out.SendBatch(ctx, batch); err != nil {
			return err
		}
	}
}

func (e *ringEnds) receiveBatches(size int) func(n int) error {
	ctx := context.Background()
	batch := makeBatch(size)
	var number uint64
	return func(n int) error {
		for n > 0 {
			got, err := e.in.RecvBatch(ctx, batch[:min(n, batchSize)])
			if err != nil {
				return err
			}
			for _, p := range batch[:got] {
				number++
				if err := checkNumber(p, number); err != nil {
					return err
				}
			}
			n -= got
		}
		return nil
	}
}

func makeBatch(size int) [][]byte {
	batch := make([][]byte, batchSize)
	for i := range batch {
		batch[i] = make([]byte, size)
	}
	return batch
}
