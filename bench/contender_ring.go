package main

import (
	"errors"
	"os"

	"github.com/shmkit/shmkit/ringbuf"
)

// ringPair is our byte ring with one strategy.
func ringPair(name string, strategy ringbuf.Strategy) *pair {
	return &pair{
		name: name,
		link: func(o *order) (*link, error) {
			capacity := ringBytes
			if o.Job == jobLoaned {
				capacity = loanedBytes
			}
			return linkRings(func() (sharedRing, error) {
				return ringbuf.New("", &ringbuf.Options{Capacity: capacity, Strategy: strategy})
			})
		},
		a: func(o *order) (*outcome, error) {
			e, err := openRingEnds(o)
			if err != nil {
				return nil, err
			}
			return e.measuring(o)
		},
		b: func(o *order) (*outcome, error) {
			e, err := openRingEnds(o)
			if err != nil {
				return nil, err
			}
			return nil, unlessLeft(e.serving(o))
		},
	}
}

// sharedRing is what a Ring and a Chan have in common here.
type sharedRing interface {
	File() *os.File
	Close() error
}

// rings are those of one trial: the first leads to side a, the second to b.
// They are anonymous, so there is no name to leave behind.
type rings [2]sharedRing

func (r rings) Close() error { return errors.Join(r[0].Close(), r[1].Close()) }

func linkRings(make func() (sharedRing, error)) (*link, error) {
	toA, err := make()
	if err != nil {
		return nil, err
	}
	toB, err := make()
	if err != nil {
		return nil, errors.Join(err, toA.Close())
	}
	return &link{
		a:     []*os.File{toA.File(), toB.File()},
		b:     []*os.File{toB.File(), toA.File()},
		extra: rings{toA, toB},
	}, nil
}

// ringEnds is one side: what it receives from, what it sends to. In a job of
// one process these are the ends of one ring.
type ringEnds struct {
	in  *ringbuf.Consumer
	out *ringbuf.Producer
}

func openRingEnds(o *order) (*ringEnds, error) {
	in, err := ringbuf.OpenFile(o.file(0))
	if err != nil {
		return nil, err
	}
	out := in
	if !o.alone() {
		if out, err = ringbuf.OpenFile(o.file(1)); err != nil {
			return nil, err
		}
	}
	e := &ringEnds{}
	if e.in, err = in.Consumer(); err != nil {
		return nil, err
	}
	e.out, err = out.Producer()
	return e, err
}
