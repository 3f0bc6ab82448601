// Foreign is a program that its tests start with proc.Command: another program
// than theirs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/shm"
)

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

type limits struct {
	Low, High int
	Counts    *shm.Array[int64]
}

// run takes what is there, and reports what it found through the ring.
func run(ctx context.Context) error {
	if len(os.Args) > 1 && os.Args[1] == "leave" {
		return nil // without picking anything up
	}
	var out *ringbuf.Producer
	if err := proc.Passed("out", &out); err != nil {
		return err
	}
	var l limits
	if err := proc.Passed("limits", &l); err != nil {
		return err
	}
	if err := l.Counts.Set(0, int64(l.High-l.Low)); err != nil {
		return err
	}
	var f *os.File
	if err := proc.Passed("file", &f); err != nil {
		return err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	var conn *proc.Conn
	if err := proc.Passed("conn", &conn); err != nil {
		return err
	}
	var question string
	if err := conn.Recv(ctx, &question); err != nil {
		return err
	}
	if err := conn.Send(ctx, question+" answered"); err != nil {
		return err
	}
	var seg *shm.Segment
	wrong := proc.Passed("wrong", &seg)
	again := proc.Passed("out", &out)
	var env []string
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "SHMKIT_") {
			env = append(env, v)
		}
	}
	return out.Send(ctx, fmt.Appendf(nil, "%s; %v; %v %v; %v", text, errors.Is(wrong, shm.ErrKind),
		again, errors.Is(again, proc.ErrNotPassed), env))
}
