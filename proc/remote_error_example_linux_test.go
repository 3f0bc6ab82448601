package proc_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

type shelf struct{}

func (*shelf) Open(name string) error {
	if name == "" {
		panic("no name")
	}
	_, err := os.Stat("/nowhere/" + name)
	return err
}

var shelves = manager.RegisterType("exampleShelf", func(context.Context, any) (*shelf, error) { return new(shelf), nil }, nil)

// What a method has returned in another process is the same error here, and a panic has its
// stack.
func ExampleRemoteError() {
	ctx := context.Background()
	m, err := manager.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s, err := shelves.New(ctx, m, nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = manager.Call[any](ctx, s, "Open", "book")
	fmt.Println(errors.Is(err, fs.ErrNotExist), err)
	_, err = manager.Call[any](ctx, s, "Open", "")
	var remote *proc.RemoteError
	fmt.Println(errors.As(err, &remote) && remote.Panicked, remote.Text, len(remote.Stack) > 0)
	// Output:
	// true stat /nowhere/book: no such file or directory
	// true no name true
}
