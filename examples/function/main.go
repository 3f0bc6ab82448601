package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/proc"
)

type greeting struct {
	Name  string
	Times int
}

var greet = proc.Register("greet", func(_ context.Context, g greeting) error {
	for i := range g.Times {
		fmt.Println("hello", g.Name, i)
	}
	return nil
})

func main() {
	proc.Main() // the child begins here, and ends here
	ctx := context.Background()
	p, err := greet.Start(ctx, greeting{"bob", 2}, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	code, _ := p.ExitCode()
	fmt.Println("exit code", code)
}
