package proc

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
)

// handlesEnv holds, for Passed, all that was passed: the base64 form of a
// wireLuggage.
const handlesEnv = "SHMKIT_HANDLES"

// fileKind is what an *os.File is called among handles.
const fileKind = "file"

// passedEnv names the variable of handle number i of a key.
func passedEnv(key string, i int) string {
	name := "SHMKIT_" + strings.ToUpper(key)
	if i > 0 {
		name += "_" + strconv.Itoa(i+1)
	}
	return name
}

// A wireLuggage is what Passed finds, by key.
type wireLuggage map[string]wirePacked

type wirePacked struct {
	Data    []byte
	Handles handle.Table
	Files   []wireFile
}

// A wireFile is a descriptor, and which file that is: a program that inherits
// the variable, but not the descriptor, has another one there or none.
type wireFile struct {
	FD       int
	Dev, Ino uint64
}

// describe returns the variable's value for programs that are not Go.
func describe(e handle.Entry, fd int, size int64) string {
	var fields []string
	if fd >= 0 {
		fields = append(fields, "fd="+strconv.Itoa(fd))
	}
	fields = append(fields, "kind="+e.Kind)
	if size >= 0 {
		fields = append(fields, "size="+strconv.FormatInt(size, 10))
	}
	if len(e.Meta) > 0 {
		fields = append(fields, "meta="+hex.EncodeToString(e.Meta))
	}
	if e.Name != "" {
		fields = append(fields, "name="+e.Name)
	}
	return strings.Join(fields, ";")
}

func (l wireLuggage) encode() (string, error) {
	b, err := codec.Marshal(l)
	return handlesEnv + "=" + base64.RawURLEncoding.EncodeToString(b), err
}

// arrival is what this process was passed and has not picked up yet.
var arrival struct {
	sync.Mutex
	read bool
	rest wireLuggage
}

// Passed picks up what the parent has passed to this process with [Cmd.Pass]
// under the key: ptr points to a variable of the type that was passed, such as
// a *shm.Segment, a *ringbuf.Producer or an *os.File. Each key can be picked up
// once; ErrNotPassed means that it was, or never came. A key is also lost when its
// object turns out to be of another type.
//
// The first call removes the variables from this process's environment, so that
// its children do not take them for theirs. Call it before starting any.
func Passed(key string, ptr any) error {
	if err := passed(key, ptr); err != nil {
		return fmt.Errorf("passed %q: %w", key, err)
	}
	return nil
}

func passed(key string, ptr any) error {
	arrival.Lock()
	defer arrival.Unlock()
	if !arrival.read {
		arrival.rest, arrival.read = unpack(), true
	}
	p, ok := arrival.rest[key]
	if !ok {
		return ErrNotPassed
	}
	delete(arrival.rest, key)
	files := make([]*os.File, len(p.Files))
	for i, f := range p.Files {
		files[i] = os.NewFile(uintptr(f.FD), "passed")
	}
	hs, err := p.Handles.Handles(files)
	if err != nil {
		return err // and the files go with the garbage
	}
	if out, ok := ptr.(**os.File); ok && len(hs) == 1 && hs[0].Kind == fileKind {
		*out = hs[0].File
		return nil
	}
	return handle.Decode(context.Background(), p.Data, hs, func(b []byte) error { return codec.Unmarshal(b, ptr) })
}

// unpack reads the environment, and makes the descriptors this process's own.
func unpack() wireLuggage {
	text, ok := os.LookupEnv(handlesEnv)
	if !ok {
		return nil
	}
	os.Unsetenv(handlesEnv)
	var l wireLuggage
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || codec.Unmarshal(b, &l) != nil {
		return nil
	}
	for key, p := range l {
		for i := range max(len(p.Handles), 1) {
			os.Unsetenv(passedEnv(key, i))
		}
		for _, f := range p.Files {
			if !f.inherited() {
				delete(l, key)
				break
			}
		}
	}
	return l
}
