package ringbuf_test

import (
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/shmkit/shmkit/ringbuf"
)

// The name goes with the ring of the process that made it; who has it open goes on.
func ExampleOwner() {
	name := fmt.Sprintf("example-owner-%d", os.Getpid())
	ring, err := ringbuf.New(name, &ringbuf.Options{Owner: ringbuf.OwnerCreator})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ring.Close())
	fmt.Println(errors.Is(ringbuf.Unlink(name), ringbuf.ErrNotExist))
	// Output:
	// <nil>
	// true
}
