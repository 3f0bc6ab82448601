package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"

	"github.com/shmkit/shmkit/ringbuf"
)

// namePrefix is what the names of this program's objects begin with.
const namePrefix = "shmkit-bench-"

// requestSize is about that of a request to a dictionary.
const requestSize = 32

// newCallPair is our request and response, so many times an operation: side b serves, side
// a calls.
func newCallPair(name string, times int) *pair {
	return &pair{
		name: name,
		link: func(o *order) (*link, error) {
			o.Name = namePrefix + rand.Text()
			return &link{name: o.Name}, nil
		},
		a: func(o *order) (*outcome, error) {
			ctx := context.Background()
			client, err := ringbuf.Dial(ctx, o.Name, &ringbuf.DialOptions{Wait: true}) // for side b, which starts later
			if err != nil {
				return nil, err
			}
			if o.Job == jobFour {
				out, err := four(ctx, o, callClient, o.Name)
				return out, errors.Join(err, client.Close())
			}
			out, err := o.measure(calls(ctx, client, o.Size, times))
			return out, errors.Join(err, client.Close())
		},
		b: func(o *order) (*outcome, error) {
			echo := func(_ context.Context, request []byte) ([]byte, error) { return request, nil }
			return nil, ringbuf.Serve(context.Background(), o.Name, echo, nil)
		},
	}
}

// callClient calls twice an operation.
var callClient = newClient("call client", func(ctx context.Context, name string, _ int) (func(n int) error, error) {
	client, err := ringbuf.Dial(ctx, name, nil)
	if err != nil {
		return nil, err
	}
	return calls(ctx, client, requestSize, 2), nil
})

func calls(ctx context.Context, client *ringbuf.Client, size, times int) func(n int) error {
	request := make([]byte, size)
	var number uint64
	return func(n int) error {
		for range n * times {
			number++
			binary.NativeEndian.PutUint64(request, number)
			response, err := client.Call(ctx, request)
			if err != nil {
				return err
			}
			if err := checkNumber(response, number); err != nil {
				return err
			}
		}
		return nil
	}
}
