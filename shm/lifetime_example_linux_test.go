package shm_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/shmkit/shmkit/shm"
)

// The name goes when the last user closes the object.
func ExampleOwner() {
	name := fmt.Sprintf("example-owner-%d", os.Getpid())
	first, err := shm.NewArray[float64](name, 100, &shm.Options{Owner: shm.OwnerUsers})
	if err != nil {
		log.Fatal(err)
	}
	second, err := shm.NewArray[float64](name, 100, &shm.Options{Owner: shm.OwnerUsers, Exist: shm.ExistOpen})
	if err != nil {
		log.Fatal(err)
	}
	first.Close()
	fmt.Println("one user:", !errors.Is(second.Unlink(), shm.ErrNotExist))
	second.Close()
	fmt.Println("no user:", errors.Is(shm.Unlink(name), shm.ErrNotExist))
	// Output:
	// one user: true
	// no user: true
}

func ExampleList() {
	name := fmt.Sprintf("example-list-%d", os.Getpid())
	v, err := shm.NewValue(name, 3.14, &shm.Options{Owner: shm.OwnerCreator})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	infos, err := shm.List()
	if err != nil {
		log.Fatal(err)
	}
	for _, i := range infos {
		if i.Name == name {
			fmt.Println(i.Kind, i.Size, "bytes, owner:", i.Owner, len(i.Attached), "process, orphan:", i.Orphan)
		}
	}
	// Output: value 650 bytes, owner: creator 1 process, orphan: false
}

// A service that begins by removing what its crashed predecessors left.
func ExampleSweep() {
	swept, err := shm.Sweep(&shm.SweepOptions{Match: func(i shm.Info) bool { return strings.HasPrefix(i.Name, "example-service-") }})
	if err != nil {
		log.Fatal(err)
	}
	for _, i := range swept {
		if i.Err != nil {
			log.Printf("%s stays: %v", i.Name, i.Err)
		}
	}
	fmt.Println(len(swept), "orphans")
	// Output: 0 orphans
}

// What Python's SharedMemoryManager is for.
func ExampleScope() {
	scope := shm.NewScope()
	name := fmt.Sprintf("example-scope-%d", os.Getpid())
	s, err := shm.Create(name, 1<<20, &shm.Options{Scope: scope})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := shm.NewShareableList("", &shm.ListOptions{Scope: scope}, 1, "two", 3.0); err != nil {
		log.Fatal(err)
	}
	s.Bytes()[0] = 42 // others may open it by its name
	fmt.Println(scope.Close())
	fmt.Println(errors.Is(s.Unlink(), shm.ErrNotExist))
	// Output:
	// <nil>
	// true
}
