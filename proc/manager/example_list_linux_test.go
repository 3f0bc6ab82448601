package manager_test

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

var addWords = proc.Register("exampleAddWords", func(ctx context.Context, words *manager.List[string]) error {
	return words.AppendAll(ctx, "pear", "fig")
})

// A list that a child appends to.
func ExampleList() {
	ctx := context.Background()
	m, err := manager.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	words, err := manager.NewList(ctx, m, "apple")
	if err != nil {
		log.Fatal(err)
	}
	child, err := addWords.Start(ctx, words, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(child.Wait(ctx))
	fmt.Println(words.Copy(ctx))
	fmt.Println(words.Get(ctx, -1))
	if err := words.Sort(ctx, cmp.Compare[string]); err != nil {
		log.Fatal(err)
	}
	fmt.Println(words.Slice(ctx, 1, manager.End))
	// Output:
	// <nil>
	// [apple pear fig] <nil>
	// fig <nil>
	// [fig pear] <nil>
}

// Several elements change in one step.
func ExampleArray() {
	ctx := context.Background()
	m, err := manager.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	a, err := manager.NewArray(ctx, m, make([]float64, 5)...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(a.SetSlice(ctx, 1, 3, []float64{1.5, 2.5}))
	fmt.Println(a.Update(ctx, 2, func(v float64) (float64, error) { return 2 * v, nil }))
	fmt.Println(a.Slice(ctx, 0, manager.End))
	fmt.Println(a.Set(ctx, 5, 1))
	// Output:
	// <nil>
	// 5 <nil>
	// [0 1.5 5 0 0] <nil>
	// manager: index out of range: 5 of 5 elements
}

// A value that is replaced by what is made of it, whoever else does so.
func ExampleValue() {
	ctx := context.Background()
	m, err := manager.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	v, err := manager.NewValue(ctx, m, "hello")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Update(ctx, func(s string) (string, error) { return strings.ToUpper(s) + "!", nil }))
	fmt.Println(v.CompareAndSwap(ctx, "hello", "bye"))
	fmt.Println(v.Get(ctx))
	// Output:
	// HELLO! <nil>
	// false <nil>
	// HELLO! <nil>
}
