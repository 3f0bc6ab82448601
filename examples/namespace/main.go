package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

func run(ctx context.Context) error {
	m, err := manager.Start(ctx, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	global, err := manager.NewNamespace(ctx, m)
	if err != nil {
		return err
	}
	err = errors.Join(
		global.Set(ctx, "x", 10),
		global.Set(ctx, "y", "hello"),
		global.Set(ctx, "_z", 12.3), // this is an attribute of the proxy
	)
	if err != nil {
		return err
	}
	fmt.Println(global)
	return nil
}

func main() {
	proc.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
