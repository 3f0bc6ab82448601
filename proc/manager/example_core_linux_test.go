package manager_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log"
	"os"
	"strings"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

var exampleCount = proc.Register("exampleCount", func(ctx context.Context, d *manager.Dict[string, int]) error {
	for _, word := range strings.Fields("to be or not to be") {
		if _, err := d.Update(ctx, word, func(n int, _ bool) (int, error) { return n + 1, nil }); err != nil {
			return err
		}
	}
	return nil
})

// A dictionary in which two children count.
func Example() {
	ctx := context.Background()
	m, err := manager.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	d, err := manager.NewDict[string, int](ctx, m)
	if err != nil {
		log.Fatal(err)
	}
	var children []*proc.Process
	for range 2 {
		p, err := exampleCount.Start(ctx, d, nil)
		if err != nil {
			log.Fatal(err)
		}
		children = append(children, p)
	}
	for _, p := range children {
		if err := p.Wait(ctx); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(d.Copy(ctx))
	// Output: map[be:4 not:2 or:2 to:4] <nil>
}

// Keys and values may be of any types. A number that is read as an any is an int64.
func ExampleDict() {
	ctx := context.Background()
	m, err := manager.New(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	d, err := manager.NewDict[any, any](ctx, m)
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	fmt.Println(d.Set(ctx, 1, "one"), d.Set(ctx, "two", 2), d.Set(ctx, 0.25, nil))
	fmt.Println(d.Get(ctx, uint8(1)))
	_, err = d.Get(ctx, "three")
	fmt.Println(errors.Is(err, manager.ErrKey))
	for item, err := range d.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(item.Key, item.Value)
	}
	// Output:
	// <nil> <nil> <nil>
	// one <nil>
	// true
	// 1 one
	// two 2
	// 0.25 <nil>
}

// A dictionary in another: what is put into it is a proxy, which leads to the same object
// wherever it is read.
func ExampleDict_nested() {
	ctx := context.Background()
	m, err := manager.New(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	type ages = manager.Dict[string, int]
	cities, err := manager.NewDict[string, *ages](ctx, m)
	if err != nil {
		log.Fatal(err)
	}
	berlin, err := manager.NewDict[string, int](ctx, m)
	if err != nil {
		log.Fatal(err)
	}
	if err := cities.Set(ctx, "Berlin", berlin); err != nil {
		log.Fatal(err)
	}
	fmt.Println(berlin.Set(ctx, "Ada", 36))
	same, err := cities.Get(ctx, "Berlin")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(same.Get(ctx, "Ada"))
	// Output:
	// <nil>
	// 36 <nil>
}

// Items are the keys and values of one instant, in the order in which the keys came.
func ExampleItem() {
	ctx := context.Background()
	m, err := manager.New(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	d, err := manager.NewDict[string, int](ctx, m)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Set(ctx, "one", 1), d.Set(ctx, "two", 2))
	items, err := d.Items(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, i := range items {
		fmt.Println(i.Key, i.Value)
	}
	// Output:
	// <nil> <nil>
	// one 1
	// two 2
}

var examplePut = proc.Register("examplePut", func(ctx context.Context, m *manager.Manager) error {
	d, err := manager.NewDict[string, int](ctx, m)
	if err != nil {
		return err
	}
	n, err := m.NumberOfObjects(ctx)
	fmt.Println("the child sees", n, err)
	return d.Set(ctx, "a", 1)
})

// The Manager travels too. What a process has made and given to nobody goes with it.
func ExampleManager() {
	ctx := context.Background()
	m, err := manager.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	p, err := examplePut.Start(ctx, m, &proc.Options{Stdout: os.Stdout})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Wait(ctx))
	for n := 1; n > 0; { // of its end the manager hears a moment later
		if n, err = m.NumberOfObjects(ctx); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("it is gone")
	// Output:
	// the child sees 1 <nil>
	// <nil>
	// it is gone
}

// A manager at an address, where processes connect that have nothing of it.
func ExampleOptions() {
	ctx := context.Background()
	address := fmt.Sprintf("@shmkit-example-%d", os.Getpid())
	m, err := manager.Start(ctx, &manager.Options{Address: address, AuthKey: []byte("secret"), MaxObjects: 100})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	c, err := manager.Connect(ctx, address, &manager.ConnectOptions{AuthKey: []byte("secret")})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(c.NumberOfObjects(ctx))
	// Output: 0 <nil>
}

// Who has another key is not let in.
func ExampleConnectOptions() {
	ctx := context.Background()
	address := fmt.Sprintf("@shmkit-example-keys-%d", os.Getpid())
	m, err := manager.New(ctx, &manager.Options{Address: address, AuthKey: []byte("secret")})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	_, err = manager.Connect(ctx, address, &manager.ConnectOptions{AuthKey: []byte("guess")})
	fmt.Println(errors.Is(err, manager.ErrAuth))
	// Output: true
}

var exampleInit = manager.RegisterInit("exampleInit", func(_ context.Context, greeting string) error {
	fmt.Println(greeting, "from the server")
	return nil
})

// A function that the server begins with.
func ExampleInitializer() {
	ctx := context.Background()
	m, err := manager.Start(ctx, &manager.Options{Init: exampleInit("hello"), Stdout: os.Stdout})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Close())
	// Output:
	// hello from the server
	// <nil>
}

// Who has what, for people who look for something that is not given back.
func ExampleInfo() {
	ctx := context.Background()
	m, err := manager.New(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	outer, err := manager.NewDict[string, *manager.Dict[string, int]](ctx, m)
	if err != nil {
		log.Fatal(err)
	}
	inner, err := manager.NewDict[string, int](ctx, m)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(outer.Set(ctx, "inner", inner), inner.Close())
	info, err := m.Info(ctx)
	if err != nil {
		log.Fatal(err)
	}
	describe := func(o manager.ObjectInfo) {
		fmt.Println(o.Kind, "of", len(o.Clients), "processes, in", o.Inside, "others")
	}
	for _, o := range info.Objects {
		describe(o)
	}
	fmt.Println(len(info.Clients) == 1 && info.Clients[0] == os.Getpid())
	// Output:
	// <nil> <nil>
	// Dict of 1 processes, in 0 others
	// Dict of 0 processes, in 1 others
	// true
}

// exampleAccount lives in a manager.
type exampleAccount struct{ balance int }

var errExampleFunds = proc.RegisterError("errExampleFunds", errors.New("insufficient funds"))

func (a *exampleAccount) Deposit(_ context.Context, n int) (int, error) {
	if a.balance+n < 0 {
		return a.balance, errExampleFunds
	}
	a.balance += n
	return a.balance, nil
}

func (a *exampleAccount) Halves() iter.Seq[int] {
	return func(yield func(int) bool) {
		for n := a.balance; n > 0 && yield(n); n /= 2 {
		}
	}
}

func (a *exampleAccount) Secret() int { return a.balance }

var (
	exampleAccounts = manager.RegisterType("exampleAccount", func(_ context.Context, start int) (*exampleAccount, error) {
		return &exampleAccount{start}, nil
	}, &manager.TypeOptions{Expose: []string{"Deposit", "Halves"}})
	exampleDeposit = manager.MethodOf((*exampleAccount).Deposit)
)

// Methods of a value of a type of one's own, which lives in the manager.
func ExampleType() {
	ctx := context.Background()
	m, err := manager.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	a, err := exampleAccounts.New(ctx, m, 10)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(exampleDeposit.Call(ctx, a, 5))
	_, err = exampleDeposit.Call(ctx, a, -100)
	fmt.Println(errors.Is(err, errExampleFunds), err)
	// Output:
	// 15 <nil>
	// true insufficient funds
}

// Only what is exposed can be called.
func ExampleTypeOptions() {
	ctx := context.Background()
	m, err := manager.New(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	a, err := exampleAccounts.New(ctx, m, 10)
	if err != nil {
		log.Fatal(err)
	}
	_, err = manager.Call[int](ctx, a, "Secret")
	fmt.Println(errors.Is(err, manager.ErrMethod))
	// Output: true
}

var exampleSpend = proc.Register("exampleSpend", func(ctx context.Context, a *manager.Object[exampleAccount]) error {
	_, err := manager.Call[int](ctx, a, "Deposit", -7)
	return err
})

// A child calls the same object.
func ExampleObject() {
	ctx := context.Background()
	m, err := manager.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	a, err := exampleAccounts.New(ctx, m, 10)
	if err != nil {
		log.Fatal(err)
	}
	p, err := exampleSpend.Start(ctx, a, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Wait(ctx))
	fmt.Println(manager.Call[int](ctx, a, "Deposit", 0))
	// Output:
	// <nil>
	// 3 <nil>
}

// The compiler checks the argument and the result.
func ExampleMethod() {
	ctx := context.Background()
	m, err := manager.New(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	a, err := exampleAccounts.New(ctx, m, 0)
	if err != nil {
		log.Fatal(err)
	}
	var deposit manager.Method[exampleAccount, int, int] = manager.MethodOf((*exampleAccount).Deposit)
	fmt.Println(deposit.Call(ctx, a, 3))
	// Output: 3 <nil>
}

// An iteration runs in the manager, as far as it is asked.
func ExampleIterator() {
	ctx := context.Background()
	m, err := manager.New(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	a, err := exampleAccounts.New(ctx, m, 10)
	if err != nil {
		log.Fatal(err)
	}
	halves, err := manager.Call[*manager.Iterator[int]](ctx, a, "Halves")
	if err != nil {
		log.Fatal(err)
	}
	defer halves.Close()
	fmt.Println(halves.Next(ctx))
	for n, err := range halves.All(ctx) {
		fmt.Println(n, err)
	}
	_, err = halves.Next(ctx)
	fmt.Println(err == io.EOF)
	// Output:
	// 10 <nil>
	// 5 <nil>
	// 2 <nil>
	// 1 <nil>
	// true
}
