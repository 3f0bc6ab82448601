package proc_test

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/proc"
)

// A process and the pipe from it, whichever has news.
func ExampleWait() {
	ctx := context.Background()
	here, there, err := proc.Pipe(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer here.Close()
	p, err := parrot.Start(ctx, there, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := here.SendBytes(ctx, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	news := []proc.Waitable{p, here}
	for ended := false; !ended; {
		ready, err := proc.Wait(ctx, news...)
		if err != nil {
			log.Fatal(err)
		}
		switch x := ready[0].(type) {
		case *proc.Conn:
			b, err := x.RecvBytes(ctx, 0)
			if err != nil {
				continue // its end: the process follows
			}
			fmt.Printf("received %s\n", b)
			p.Terminate()
		case *proc.Process:
			ended = true
			code, _ := x.ExitCode()
			fmt.Println("ended with", code)
		}
	}
	// Output:
	// received hello
	// ended with -15
}
