package main

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/shmkit/shmkit/proc"
)

var say = proc.Register("say", func(ctx context.Context, c *proc.Conn) error {
	return c.Send(ctx, "hello")
})

var hear = proc.Register("hear", func(ctx context.Context, c *proc.Conn) error {
	return show(ctx, c, "one way:")
})

var ask = proc.Register("ask", func(ctx context.Context, c *proc.Conn) error {
	if err := c.Send(ctx, "how do you do?"); err != nil {
		return err
	}
	return show(ctx, c, "there and back:")
})

var echo = proc.Register("echo", func(ctx context.Context, c *proc.Conn) error {
	var s string
	if err := c.Recv(ctx, &s); err != nil {
		return err
	}
	return c.Send(ctx, strings.ToUpper(s))
})

func show(ctx context.Context, c *proc.Conn, how string) error {
	var s string
	if err := c.Recv(ctx, &s); err != nil {
		return err
	}
	fmt.Println(how, s)
	return nil
}

func connect(ctx context.Context, one, other *proc.Func[*proc.Conn], o *proc.PipeOptions) error {
	a, b, err := proc.Pipe(o)
	if err != nil {
		return err
	}
	p, err := one.Start(ctx, a, nil)
	if err != nil {
		return err
	}
	q, err := other.Start(ctx, b, nil)
	if err != nil {
		return err
	}
	if err := p.Wait(ctx); err != nil {
		return err
	}
	return q.Wait(ctx)
}

func run(ctx context.Context) error {
	if err := connect(ctx, hear, say, &proc.PipeOptions{OneWay: true}); err != nil {
		return err
	}
	return connect(ctx, ask, echo, nil)
}

func main() {
	proc.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
