package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/shmkit/shmkit/ringbuf"
)

// fanPair is a queue of ours with several processes at an end: side a is the
// first consumer, sides b are the others and the producers.
func fanPair(name string, make func(o *order) (sharedRing, error), side func(o *order, f *fan) error) *pair {
	run := func(o *order) (*fan, error) {
		b, err := openBoard[fan](o)
		if err != nil {
			return nil, err
		}
		return &b.item, side(o, &b.item)
	}
	return &pair{
		name: name,
		link: func(o *order) (*link, error) {
			l, err := linkBoard[fan](o, nil)
			if err != nil {
				return nil, err
			}
			queue, err := make(o)
			if err != nil {
				l.close()
				return nil, err
			}
			l.a = append(l.a, queue.File())
			l.b, l.extra = l.a, both{l.extra, queue}
			return l, nil
		},
		a: func(o *order) (*outcome, error) {
			f, err := run(o)
			if err != nil {
				return nil, err
			}
			return f.sum(o)
		},
		b: func(o *order) (*outcome, error) {
			_, err := run(o)
			return nil, err
		},
	}
}

type both [2]io.Closer

func (b both) Close() error { return errors.Join(b[0].Close(), b[1].Close()) }

// fanOptions are those of our queues. The stream ends by CloseSend alone: a producer that
// is late may come when the first has left already.
func fanOptions(o *order, s ringbuf.Strategy) *ringbuf.Options {
	producers, consumers := ends(o.Job)
	mode := map[string]ringbuf.Mode{jobMPMC: ringbuf.MPMC, jobMPSC: ringbuf.MPSC, jobSPMC: ringbuf.SPMC}[o.Job]
	return &ringbuf.Options{Capacity: ringBytes, Mode: mode, Strategy: s, OnPeerDeath: ringbuf.Wait, Producers: producers, Consumers: consumers}
}

// producer returns which producer this side is, and false if it is a consumer.
func (o *order) producer() (int, bool) {
	_, consumers := ends(o.Job)
	return o.Number - consumers, o.Number >= consumers
}

// fanRing is the byte ring with one strategy, with batches or one message at a time.
func fanRing(name string, s ringbuf.Strategy, batches bool) *pair {
	return fanPair(name, func(o *order) (sharedRing, error) {
		return ringbuf.New("", fanOptions(o, s))
	}, func(o *order, f *fan) error {
		ring, err := ringbuf.OpenFile(o.file(1))
		if err != nil {
			return err
		}
		p, ok := o.producer()
		if !ok {
			c, err := ring.Consumer()
			if err != nil {
				return err
			}
			receive := receiveOne(c, o.Size)
			if batches {
				receive = receiveMany(c, o.Size)
			}
			return errors.Join(f.consume(o, receive), ring.Close())
		}
		out, err := ring.Producer()
		if err != nil {
			return err
		}
		send := sendOne(out, p, o.Size)
		if batches {
			send = sendMany(out, p, o.Size)
		}
		return errors.Join(f.produce(o, send, out.CloseSend), ring.Close())
	})
}

func sendOne(out *ringbuf.Producer, p, size int) func(n int) (uint64, error) {
	ctx := context.Background()
	message := make([]byte, size)
	var number uint64
	return func(n int) (uint64, error) {
		for range n {
			number++
			binary.NativeEndian.PutUint64(message, item(p, number))
			if err := out.Send(ctx, message); err != nil {
				return number, err
			}
		}
		return number, nil
	}
}

func sendMany(out *ringbuf.Producer, p, size int) func(n int) (uint64, error) {
	ctx := context.Background()
	batch := makeBatch(size)
	var number uint64
	return func(n int) (uint64, error) {
		for range n / len(batch) {
			for _, message := range batch {
				number++
				binary.NativeEndian.PutUint64(message, item(p, number))
			}
			if _, err := out.SendBatch(ctx, batch); err != nil {
				return number, err
			}
		}
		return number, nil
	}
}

func receiveOne(in *ringbuf.Consumer, size int) func(n int, r *receipt) error {
	ctx := context.Background()
	buf := make([]byte, size)
	return func(n int, r *receipt) error {
		for range n {
			message, err := in.Recv(ctx, buf)
			if err != nil {
				return err
			}
			if err := r.add(binary.NativeEndian.Uint64(message)); err != nil {
				return err
			}
		}
		return nil
	}
}

func receiveMany(in *ringbuf.Consumer, size int) func(n int, r *receipt) error {
	ctx := context.Background()
	batch := makeBatch(size)
	return func(n int, r *receipt) error {
		for n > 0 {
			got, err := in.RecvBatch(ctx, batch)
			if err != nil {
				return err
			}
			for _, message := range batch[:got] {
				if err := r.add(binary.NativeEndian.Uint64(message)); err != nil {
					return err
				}
			}
			n -= got
		}
		return nil
	}
}
