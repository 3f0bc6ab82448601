package proc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"syscall"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/shm"
)

var greet = proc.Register("greet", func(ctx context.Context, name string) error {
	_, err := fmt.Println("hello", name)
	return err
})

// A function that runs in a process of its own. The program's main begins with
// proc.Main().
func Example() {
	ctx := context.Background()
	p, err := greet.Start(ctx, "world", &proc.Options{Stdout: os.Stdout})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Wait(ctx))
	// Output:
	// hello world
	// <nil>
}

type area struct{ Width, Height int }

var measure = proc.Register("measure", func(ctx context.Context, a area) error {
	fmt.Println(a.Width * a.Height)
	return nil
})

// Each process gets a copy of its argument.
func ExampleFunc() {
	ctx := context.Background()
	for _, a := range []area{{2, 3}, {4, 5}} {
		p, err := measure.Start(ctx, a, nil)
		if err != nil {
			log.Fatal(err)
		}
		if err := p.Wait(ctx); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 6
	// 20
}

// A child that is killed when its work is not wanted any more.
func ExampleOptions() {
	ctx, cancel := context.WithCancel(context.Background())
	p, err := wait.Start(ctx, struct{}{}, &proc.Options{Name: "worker", Cancel: ctx})
	if err != nil {
		log.Fatal(err)
	}
	cancel()
	<-p.Done()
	fmt.Println(p.Name(), p.Alive())
	// Output: worker false
}

var wait = proc.Register("wait", func(ctx context.Context, _ struct{}) error {
	<-ctx.Done()
	return nil
})

func ExampleProcess() {
	ctx := context.Background()
	p, err := wait.Start(ctx, struct{}{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("alive:", p.Alive())
	p.Terminate()
	<-p.Done()
	code, _ := p.ExitCode()
	fmt.Println("alive:", p.Alive(), "exit code:", code)
	// Output:
	// alive: true
	// alive: false exit code: -15
}

func ExampleExitError() {
	ctx := context.Background()
	p, err := wait.Start(ctx, struct{}{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	p.Kill()
	var exit *proc.ExitError
	if errors.As(p.Wait(ctx), &exit) && exit.Signal == syscall.SIGKILL {
		fmt.Println("killed, code", exit.Code)
	}
	// Output: killed, code -9
}

var divide = proc.Register("divide", func(ctx context.Context, by int) error {
	if by < 0 {
		return errors.New("not below zero")
	}
	fmt.Println(100 / by)
	return nil
})

// What a child panicked with, in whatever goroutine, is the cause of Wait's error.
func ExamplePanicError() {
	ctx := context.Background()
	p, err := divide.Start(ctx, 0, &proc.Options{Stderr: devNull}) // where the trace goes too
	if err != nil {
		log.Fatal(err)
	}
	var cause *proc.PanicError
	if errors.As(p.Wait(ctx), &cause) {
		fmt.Println(strings.Split(cause.Value, "\n")[0])
		fmt.Println(strings.HasPrefix(cause.Stack, "goroutine 1 [running]:"))
	}
	// Output:
	// runtime error: integer divide by zero
	// true
}

// The text of the error that a child's function returned is the cause, too.
func ExampleChildError() {
	ctx := context.Background()
	p, err := divide.Start(ctx, -1, &proc.Options{Name: "divide", Stderr: devNull})
	if err != nil {
		log.Fatal(err)
	}
	var cause *proc.ChildError
	if errors.As(p.Wait(ctx), &cause) {
		fmt.Println(cause.Text)
	}
	// Output: not below zero
}

var devNull, _ = os.OpenFile(os.DevNull, os.O_WRONLY, 0)

// A worker that is not a Go program, on memory that both share.
func ExampleCmd() {
	ctx := context.Background()
	shared, err := shm.Create("", 4096, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer shared.Close()
	worker := proc.Command("sh", "-c", `echo "$SHMKIT_DATA"; printf hello >&3`)
	worker.Name = "worker"
	worker.Pass("data", shared)
	p, err := worker.Start(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Wait(ctx), string(shared.Bytes()[:5]))
	// Output:
	// fd=3;kind=shm.segment;size=4096
	// <nil> hello
}

// counter is a service with state of its own.
type counter struct{ From, To int }

func (c counter) Run(context.Context) error {
	for i := c.From; i <= c.To; i++ {
		fmt.Println(i)
	}
	return nil
}

var count = proc.RegisterRunner[counter]("count")

func ExampleRunner() {
	ctx := context.Background()
	p, err := count.Start(ctx, counter{From: 1, To: 3}, &proc.Options{Name: "one to three"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Name(), p.Wait(ctx))
	// Output:
	// 1
	// 2
	// 3
	// one to three <nil>
}

var family = proc.Register("family", func(ctx context.Context, _ struct{}) error {
	fmt.Printf("I am %s, started by %s, which is alive: %v\n",
		proc.Current().Name(), proc.Parent().Name(), proc.Parent().Alive())
	proc.AtExit(0, func() { fmt.Println("bye") })
	return nil
})

func ExampleParentProcess() {
	ctx := context.Background()
	p, err := family.Start(ctx, struct{}{}, &proc.Options{Name: "child", Daemon: true})
	if err != nil {
		log.Fatal(err)
	}
	p.Wait(ctx)
	// Output:
	// I am child, started by main, which is alive: true
	// bye
}
