package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// asTool makes the test binary be the tool.
const asTool = "SHMKIT_TEST_TOOL"

func TestMain(m *testing.M) {
	if os.Getenv(asTool) != "" {
		main()
	}
	testproc.Main(m)
}

// toolCommand is the tool as a process of its own.
func toolCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), asTool+"=1")
	return cmd
}

// shmkit runs the tool, which has to end with that code, and returns what it prints.
func shmkit(t *testing.T, code int, args ...string) (out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	cmd := toolCommand(args...)
	cmd.Stdout, cmd.Stderr = &o, &e
	_ = cmd.Run()
	require.Equal(t, code, cmd.ProcessState.ExitCode(), "shmkit %v\n%s%s", args, o.String(), e.String())
	return o.String(), e.String()
}

// start starts a helper that makes objects whose names begin with the one that is
// returned, and removes them in the end.
func start(t *testing.T, helper, says string) (p *testproc.Proc, name string) {
	t.Helper()
	name = testproc.Name(t)
	t.Cleanup(func() {
		made, _ := filepath.Glob("/dev/shm/" + name + "*")
		for _, m := range made {
			os.Remove(m)
		}
	})
	p = testproc.Start(t, helper, testproc.Args(name))
	p.Expect(says)
	return p, name
}

// Account is what the tests look into.
type Account struct {
	Mu      semaphore.Mutex
	Balance int64
	Owner   [16]byte
	Rate    float32
	RW      semaphore.RWMutex
	Permits semaphore.Permits
	Start   semaphore.Barrier
	Ready   semaphore.Event
	Slots   semaphore.Semaphore
	Turn    semaphore.Cond
	Once    semaphore.Once
	Nested  semaphore.RecursiveMutex
	Ledger  [30]struct {
		Mu semaphore.Mutex
		N  int32
	}
}

type point struct{ X, Y int32 }

func check(c *testproc.Child, err error) {
	if err != nil {
		c.Errorf("%v", err)
		c.FailNow()
	}
}

// holder makes an Account and holds whatever can be held.
var _ = testproc.Helper("holder", func(c *testproc.Child) {
	ctx := context.Background()
	o, err := shm.NewObject[Account](c.Args[0], nil)
	check(c, err)
	a := o.Ptr()
	a.Balance, a.Rate = -42, 0.5
	copy(a.Owner[:], "Ada")
	check(c, a.Mu.Lock())
	check(c, a.RW.RLock())
	check(c, a.Permits.Init(5))
	check(c, a.Permits.Acquire(ctx, 2))
	check(c, a.Start.Init(3))
	a.Ready.Set()
	check(c, a.Slots.Init(1, 3))
	check(c, a.Once.Do(ctx, func() error { return nil }))
	h := a.Nested.Holder()
	check(c, h.Lock())
	check(c, h.Lock())
	check(c, a.Ledger[20].Mu.Lock())
	go a.Start.Wait(ctx)
	for a.Start.Waiting() == 0 {
	}
	c.WriteLine("held")
	c.Park()
})

// rings makes rings of each kind, with something in them.
var _ = testproc.Helper("rings", func(c *testproc.Child) {
	ctx := context.Background()
	r, err := ringbuf.New(c.Args[0]+"-ring", nil)
	check(c, err)
	p, err := r.Producer()
	check(c, err)
	q, err := r.Consumer()
	check(c, err)
	m, err := ringbuf.New(c.Args[0]+"-many", &ringbuf.Options{Mode: ringbuf.MPMC, Grow: true, Redeliver: true})
	check(c, err)
	mp, err := m.Producer()
	check(c, err)
	mc, err := m.Consumer()
	check(c, err)
	ch, err := ringbuf.NewChan[point](c.Args[0]+"-chan", 16, nil)
	check(c, err)
	for i := range 7 {
		check(c, p.Send(ctx, []byte("hello")))
		check(c, mp.Send(ctx, []byte("hello")))
		check(c, ch.Send(ctx, point{int32(i), -1}))
	}
	var buf [64]byte
	for range 2 {
		_, err = q.Recv(ctx, buf[:])
		check(c, err)
		_, err = mc.Recv(ctx, buf[:])
		check(c, err)
	}
	c.WriteLine("filled")
	c.Park()
})

// asker serves a call for ever, that it makes itself.
var _ = testproc.Helper("calls", func(c *testproc.Child) {
	ctx := context.Background()
	busy := make(chan bool)
	go ringbuf.Serve(ctx, c.Args[0], func(context.Context, []byte) ([]byte, error) {
		busy <- true
		select {}
	}, nil)
	client, err := ringbuf.Dial(ctx, c.Args[0], &ringbuf.DialOptions{Wait: true})
	check(c, err)
	go client.Call(ctx, []byte("question"))
	<-busy
	c.WriteLine("asked")
	c.Park()
})

// values makes the kinds that hold plain values.
var _ = testproc.Helper("values", func(c *testproc.Child) {
	v, err := shm.NewValue(c.Args[0]+"-value", [3]float64{1, 2.5, 3}, nil)
	check(c, err)
	check(c, v.Store([3]float64{4, 5, 6}))
	a, err := shm.NewArray[point](c.Args[0]+"-array", 1000, nil)
	check(c, err)
	a.Slice()[3] = point{7, -8}
	_, err = shm.NewShareableList(c.Args[0]+"-list", &shm.ListOptions{Locked: true}, 1, "two", 3.5, true, nil, []byte("x\x01"))
	check(c, err)
	o, err := shm.NewObject[point]("", nil)
	check(c, err)
	o.Ptr().X = 9
	c.WriteLine("made")
	c.Park()
})

// owner makes an object that goes with it.
var _ = testproc.Helper("owner", func(c *testproc.Child) {
	_, err := shm.NewObject[point](c.Args[0], &shm.Options{Owner: shm.OwnerCreator})
	check(c, err)
	c.WriteLine("made")
	c.Park()
})

// busy sends, receives and stores as fast as it can.
var _ = testproc.Helper("busy", func(c *testproc.Child) {
	ctx := context.Background()
	m, err := ringbuf.New(c.Args[0]+"-many", &ringbuf.Options{Mode: ringbuf.MPMC, Grow: true, Redeliver: true})
	check(c, err)
	p, err := m.Producer()
	check(c, err)
	q, err := m.Consumer()
	check(c, err)
	v, err := shm.NewValue(c.Args[0]+"-value", [64]int{}, nil)
	check(c, err)
	go func() {
		for msg := make([]byte, 3000); ; {
			check(c, p.Send(ctx, msg))
		}
	}()
	go func() {
		for buf := make([]byte, 4096); ; {
			_, err := q.Recv(ctx, buf)
			check(c, err)
		}
	}()
	go func() {
		for i := 0; ; i++ {
			check(c, v.Store([64]int{i}))
		}
	}()
	c.WriteLine("busy")
	c.Park()
})

// bank makes what the README shows.
var _ = testproc.Helper("bank", func(c *testproc.Child) {
	type Account struct {
		Mu      semaphore.Mutex
		Balance int64
		Owner   [16]byte
	}
	ctx := context.Background()
	o, err := shm.NewObject[Account](c.Args[0]+"-account", &shm.Options{Owner: shm.OwnerCreator})
	check(c, err)
	a := o.Ptr()
	check(c, a.Mu.Lock())
	a.Balance = 1250
	copy(a.Owner[:], "Ada")
	r, err := ringbuf.New(c.Args[0]+"-orders", &ringbuf.Options{Capacity: 1 << 16})
	check(c, err)
	p, err := r.Producer()
	check(c, err)
	for range 100 {
		check(c, p.Send(ctx, []byte("buy 10")))
	}
	_, err = shm.NewValue(c.Args[0]+"-rate", 0.025, nil)
	check(c, err)
	c.WriteLine("open")
	c.Park()
})
