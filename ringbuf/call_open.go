package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// callFile is the object behind Serve and Dial, open and mapped.
type callFile struct {
	name  string
	file  *os.File
	m     *mem.Mapping
	users atomic.Int32 // those who will close it
	callBoard
}

// retain says that one more will close f.
func (f *callFile) retain() *callFile {
	f.users.Add(1)
	return f
}

const (
	defaultCallMessage = 1 << 20
	defaultCallClients = 64
	maxCallClients     = 4096

	// maxCallSize is how large the file may be, holes included: what a process
	// can map.
	maxCallSize = 1 << (31 + 12*(^uint(0)>>63)) // 1<<43; what 32-bit systems get does not matter
)

// callSizes returns the size of an object and of what is before its ranges.
func callSizes(message, clients int) (head, span, size uint64, err error) {
	if message <= 0 || clients <= 0 || clients > maxCallClients || uint64(message) > maxCallSize {
		return 0, 0, 0, fmt.Errorf("%w: messages of %d bytes, %d clients", ErrSize, message, clients)
	}
	head = (uint64(callHeadSize+clients*callSeatSize) + callAlign - 1) &^ (callAlign - 1)
	if message > callInline {
		span = callPages(uint64(message))
	}
	size = head + span*2*callSlots*uint64(clients)
	if size > maxCallSize {
		return 0, 0, 0, fmt.Errorf("%w: %d clients with messages of %d bytes", ErrSize, clients, message)
	}
	return head, span, size, nil
}

// createCalls creates the object, or opens it. Sizes that are 0 are the existing
// one's, or the defaults.
func createCalls(name string, message, clients int, o Owner) (*callFile, error) {
	if name != "" {
		if err := shmfile.CheckName(name); err != nil {
			return nil, err
		}
	}
	m, c := message, clients
	if m == 0 {
		m = defaultCallMessage
	}
	if c == 0 {
		c = defaultCallClients
	}
	head, _, size, err := callSizes(m, c)
	if err != nil {
		return nil, err
	}
	h, err := shmfile.NewHeader(shmfile.Spec{Kind: shmfile.KindCalls, Size: int64(size), Sizes: [2]uint64{uint64(m), uint64(c)}})
	if err != nil {
		return nil, err
	}
	file, _, err := shmfile.Create(name, int64(size), shmfile.Options{
		Exist:    shmfile.OpenExisting,
		Owner:    o,
		Allocate: int64(head),
		Fill:     func(f *os.File) error { _, err := f.WriteAt(h, 0); return err },
	})
	if err != nil {
		return nil, err
	}
	f, err := newCallFile(name, file)
	if err != nil {
		return nil, err
	}
	if message != 0 && f.max != uint64(message) || clients != 0 && len(f.clients) != clients {
		err := fmt.Errorf("%w: it exists with messages of %d bytes and %d clients", ErrSize, f.max, len(f.clients))
		if e := robust.Unmap(f.m); e != nil {
			return nil, errors.Join(err, e)
		}
		shmfile.Abandon(f.file) // the name stays
		return nil, err
	}
	return f, nil
}

// openCalls opens the object of that name.
func openCalls(ctx context.Context, name string, wait bool) (*callFile, error) {
	file, err := shmfile.Open(ctx, name, shmfile.OpenOptions{Wait: wait})
	if err != nil {
		return nil, err
	}
	return newCallFile(name, file)
}

// newCallFile maps the object in f, which it owns.
func newCallFile(name string, f *os.File) (_ *callFile, err error) {
	defer func() {
		if err != nil {
			shmfile.Abandon(f)
		}
	}()
	spec, err := shmfile.Identify(f, shmfile.Spec{Kind: shmfile.KindCalls})
	if err != nil {
		return nil, err
	}
	message, clients := int(spec.Sizes[0]), int(spec.Sizes[1])
	head, span, size, err := callSizes(message, clients)
	if err != nil || uint64(spec.Size) != size {
		return nil, fmt.Errorf("%w: %d bytes, messages of %d, %d clients", ErrCorrupt, spec.Size, message, clients)
	}
	m, err := mem.Map(f, int(size), mem.Options{Truncatable: shmfile.Truncatable(f)})
	if err != nil {
		return nil, err
	}
	b := boardOf(m.Bytes(), callServers, clients)
	b.data, b.max, b.span = m.Bytes()[head:], uint64(message), span
	b.allocate = func(off, n uint64) error { return shmfile.Allocate(f, int64(head+off), int64(n)) }
	b.punch = func(off, n uint64) {
		_ = shmfile.Punch(f, int64(head+off), int64(n)) // then the memory stays until the next time
	}
	both := handOverOf(b.head.object[:])
	b.asked, b.answered = &both.tail, &both.head
	return (&callFile{name: name, file: f, m: m, callBoard: b}).retain(), nil
}
