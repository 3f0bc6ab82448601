package ringbuf_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/shmkit/shmkit/ringbuf"
)

// An exchange needs no name: as an argument of package proc it goes to those who serve or
// call.
func ExampleExchange() {
	ctx, cancel := context.WithCancel(context.Background())
	e, err := ringbuf.NewExchange("", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	ended := make(chan error)
	go func() {
		ended <- e.Serve(ctx, func(c *ringbuf.Call) ([]byte, error) {
			return []byte(strings.ToUpper(string(c.Request()))), nil
		}, nil)
	}()

	client, err := e.Client(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	reply, err := client.Call(ctx, []byte("hello"))
	fmt.Printf("%s %v\n", reply, err)
	client.Close()
	cancel()
	fmt.Println(<-ended)
	// Output:
	// HELLO <nil>
	// context canceled
}

// Many clients with short messages.
func ExampleExchangeOptions() {
	e, err := ringbuf.NewExchange("", &ringbuf.ExchangeOptions{Clients: 1000, MaxMessage: 100})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(e)
	e.Close()
	fmt.Println(e)
	// Output:
	// Exchange("", 1000 clients at most, messages of 100 bytes)
	// Exchange(closed)
}

// A lock: who comes while it is held gets the reply when it is free.
func ExampleReply() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e, err := ringbuf.NewExchange("", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	held, queued := false, make(chan bool, 1)
	var waiting []*ringbuf.Reply
	var lock ringbuf.Responder = func(c *ringbuf.Call) ([]byte, error) {
		if string(c.Request()) == "lock" {
			if held {
				waiting = append(waiting, c.Later(nil))
				queued <- true
			}
			held = true
			return nil, nil
		}
		for held = false; len(waiting) > 0 && !held; waiting = waiting[1:] {
			held = waiting[0].Send([]byte("you waited"), nil) // false: it has given up
		}
		return nil, nil
	}
	go e.Serve(ctx, lock, &ringbuf.ServeOptions{Workers: 1})

	client, err := e.Client(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	client.Call(ctx, []byte("lock"))
	second := make(chan string)
	go func() {
		reply, _ := client.Call(ctx, []byte("lock"))
		second <- string(reply)
	}()
	<-queued
	client.Call(ctx, []byte("unlock"))
	fmt.Println(<-second)
	// Output: you waited
}

// What is granted to a caller who has given up is taken back.
func ExampleCall() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e, err := ringbuf.NewExchange("", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	began, back := make(chan bool), make(chan string)
	go e.Serve(ctx, func(c *ringbuf.Call) ([]byte, error) {
		c.IfUnwanted(func() { back <- "the ticket has come back" })
		close(began)
		<-c.Context().Done()
		return []byte("ticket"), nil
	}, nil)

	client, err := e.Client(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	short, stop := context.WithCancel(ctx)
	go func() { <-began; stop() }()
	_, err = client.Call(short, nil)
	fmt.Println(err)
	fmt.Println(<-back)
	// Output:
	// context canceled
	// the ticket has come back
}

// A server knows who calls, and hears when they have gone.
func ExampleClientID() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e, err := ringbuf.NewExchange("", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	gone := make(chan ringbuf.ClientID)
	go e.Serve(ctx, func(c *ringbuf.Call) ([]byte, error) {
		return fmt.Append(nil, "you are ", c.From()), nil
	}, &ringbuf.ServeOptions{Gone: func(id ringbuf.ClientID) { gone <- id }})

	client, err := e.Client(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	reply, err := client.Call(ctx, nil)
	fmt.Printf("%s %v\n", reply, err)
	client.Close()
	fmt.Println(<-gone, "has gone")
	// Output:
	// you are 0.1 <nil>
	// 0.1 has gone
}
