package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

var key = []byte("abracadabra")

// queue is what the server has: one, for all who ask.
type queue struct{ words chan string }

var theQueue = &queue{make(chan string, 100)}

func (q *queue) Put(ctx context.Context, word string) (any, error) {
	select {
	case q.words <- word:
		return nil, nil
	case <-ctx.Done(): // the client has given up, or died
		return nil, context.Cause(ctx)
	}
}

func (q *queue) Get(ctx context.Context, _ any) (string, error) {
	select {
	case word := <-q.words:
		return word, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

var (
	queueType = manager.RegisterType("queue", func(context.Context, any) (*queue, error) { return theQueue, nil }, nil)
	queuePut  = manager.MethodOf((*queue).Put)
	queueGet  = manager.MethodOf((*queue).Get)
)

func connect(ctx context.Context, address string) (*manager.Object[queue], error) {
	m, err := manager.Connect(ctx, address, &manager.ConnectOptions{AuthKey: key})
	if err != nil {
		return nil, err
	}
	defer m.Close() // the proxy stays usable
	return queueType.New(ctx, m, nil)
}

var put = proc.Register("put", func(ctx context.Context, address string) error {
	q, err := connect(ctx, address)
	if err != nil {
		return err
	}
	_, err = queuePut.Call(ctx, q, "hello")
	return err
})

var get = proc.Register("get", func(ctx context.Context, address string) error {
	q, err := connect(ctx, address)
	if err != nil {
		return err
	}
	word, err := queueGet.Call(ctx, q, nil)
	if err != nil {
		return err
	}
	fmt.Println(word)
	return nil
})

func run(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	address := filepath.Join(folder, "queue")
	m, err := manager.Start(ctx, &manager.Options{Address: address, AuthKey: key})
	if err != nil {
		return err
	}
	defer m.Close()
	getter, err := get.Start(ctx, address, nil)
	if err != nil {
		return err
	}
	putter, err := put.Start(ctx, address, nil)
	if err != nil {
		return err
	}
	if err := putter.Wait(ctx); err != nil {
		return err
	}
	return getter.Wait(ctx)
}

func main() {
	proc.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
