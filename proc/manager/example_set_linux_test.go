package manager_test

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/proc/manager"
)

// Sets are combined with each other, and with elements that are here.
func ExampleSet() {
	ctx := context.Background()
	m, err := manager.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	seen, err := manager.NewSet(ctx, m, "a", "b")
	if err != nil {
		log.Fatal(err)
	}
	todo, err := manager.NewSet(ctx, m, "b", "c")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(seen.Add(ctx, "a"))
	fmt.Println(todo.Difference(ctx, seen))
	// Each is an operand: a set of the manager, or elements.
	for _, other := range []manager.Operand[string]{todo, manager.Elements[string]{"d"}} {
		fmt.Println(seen.Union(ctx, other))
	}
	fmt.Println(seen.UnionWith(ctx, todo, manager.Elements[string]{"d", "e"}))
	fmt.Println(seen.Elements(ctx))
	fmt.Println(seen.Remove(ctx, "z"))
	// Output:
	// false <nil>
	// [c] <nil>
	// [a b c] <nil>
	// [a b d] <nil>
	// <nil>
	// [a b c d e] <nil>
	// manager: no such key
}

// Attributes of several types.
func ExampleNamespace() {
	ctx := context.Background()
	m, err := manager.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	n, err := manager.NewNamespace(ctx, m)
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range []struct {
		name  string
		value any
	}{{"name", "Bob"}, {"age", 30}, {"_note", "stays here"}} {
		if err := n.Set(ctx, a.name, a.value); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(n)
	fmt.Println(manager.Attr[int](ctx, n, "age"))
	var note string
	fmt.Println(n.Get(ctx, "_note", &note), note)
	// Output:
	// Namespace(name="Bob", age=30)
	// 30 <nil>
	// <nil> stays here
}
