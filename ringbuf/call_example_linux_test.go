package ringbuf_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/shmkit/shmkit/ringbuf"
)

// A server and a client, which would be in different processes.
func ExampleServe() {
	const name = "shmkit-example-upper"
	defer ringbuf.Unlink(name)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		ended <- ringbuf.Serve(ctx, name, func(ctx context.Context, request []byte) ([]byte, error) {
			if len(request) == 0 {
				return nil, errors.New("nothing to do")
			}
			return []byte(strings.ToUpper(string(request))), nil
		}, nil)
	}()

	client, err := ringbuf.Dial(ctx, name, &ringbuf.DialOptions{Wait: true})
	if err != nil {
		log.Fatal(err)
	}
	reply, err := client.Call(ctx, []byte("hello"))
	fmt.Printf("%s %v\n", reply, err)

	_, err = client.Call(ctx, nil)
	if failed, ok := errors.AsType[*ringbuf.CallError](err); ok {
		fmt.Println("the handler said:", failed.Text)
	}
	client.Close()
	cancel()
	fmt.Println(<-ended)
	// Output:
	// HELLO <nil>
	// the handler said: nothing to do
	// context canceled
}

// Calls without allocations, with one buffer for all replies.
func ExampleClient() {
	const name = "shmkit-example-double"
	defer ringbuf.Unlink(name)
	ctx, cancel := context.WithCancel(context.Background())
	var double ringbuf.Handler = func(ctx context.Context, request []byte) ([]byte, error) {
		return append(request, request...), nil
	}
	ended := make(chan error)
	go func() {
		ended <- ringbuf.Serve(ctx, name, double, &ringbuf.ServeOptions{MaxMessage: 1 << 10, Workers: 2})
	}()
	defer func() { cancel(); <-ended }()

	client, err := ringbuf.Dial(ctx, name, &ringbuf.DialOptions{Wait: true, OnPeerDeath: ringbuf.Wait})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	buf := make([]byte, 0, 1<<10)
	for _, word := range []string{"so", "wo"} {
		reply, err := client.CallAppend(ctx, buf, []byte(word))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", reply)
	}
	// Output:
	// soso
	// wowo
}
