package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// describers are all that there are. What has no header is tried in this order.
func describers() *describe.Set {
	return describe.NewSet(semaphore.Describers(), semaphore.FileDescribers(), ringbuf.Describers(), shm.Describers())
}

// object is something that was opened to be looked at.
type object struct {
	name  string // as it was asked for
	f     *os.File
	named bool
	users []int // processes that have an anonymous one open
	*describe.Description
}

func (o *object) close() { o.f.Close() }

// look opens an object and describes it.
func look(set *describe.Set, name string) (*object, error) {
	o := &object{name: name}
	pid, fd, anonymous := descriptor(name)
	var err error
	if anonymous {
		if o.f, err = describe.OpenDescriptor(pid, fd); err != nil {
			return nil, err
		}
		o.users = []int{pid}
	} else {
		if o.f, err = describe.OpenName(name); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				err = notThere(name)
			}
			return nil, err
		}
		o.named = true
	}
	st, err := o.f.Stat()
	if err != nil {
		o.f.Close()
		return nil, err
	}
	key := ""
	if o.named {
		key = name
	}
	o.Description = set.Describe(key, describe.NewFile(o.f, st.Size()))
	return o, nil
}

func notThere(name string) error {
	return fmt.Errorf("there is no %s; shmkit ls -a lists what there is: %w", describe.Plain(name), os.ErrNotExist)
}

// descriptor reads PID:FD. A name in /dev/shm that looks the same is preferred.
func descriptor(s string) (pid, fd int, ok bool) {
	first, second, ok := strings.Cut(s, ":")
	pid, err := strconv.Atoi(first)
	fd, err2 := strconv.Atoi(second)
	if !ok || err != nil || err2 != nil || pid <= 0 || fd < 0 {
		return 0, 0, false
	}
	if _, err := os.Lstat("/dev/shm/" + s); err == nil {
		return 0, 0, false
	}
	return pid, fd, true
}
