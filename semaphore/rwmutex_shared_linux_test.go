//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// rwMemory is what the processes of the RWMutex's tests share.
type rwMemory struct {
	rw      RWMutex
	pair    [2]uint64 // equal when no writer is inside
	_       [112]byte
	counter uint64
	writers mem.Uint32 // inside
	readers mem.Uint32 // inside
}

func rwMap(t require.TestingT, f *os.File, place string) (*rwMemory, []byte, func() error) {
	size := int(unsafe.Sizeof(rwMemory{}))
	if place == "foreign" {
		b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(t, err)
		return (*rwMemory)(unsafe.Pointer(&b[0])), b, func() error { return unix.Munmap(b) }
	}
	m, err := mem.Map(f, size, mem.Options{})
	require.NoError(t, err)
	return (*rwMemory)(unsafe.Pointer(&m.Bytes()[0])), m.Bytes(), m.Close
}

func rwAttach(t testing.TB, f *os.File, place string) (*rwMemory, []byte) {
	m, b, unmap := rwMap(t, f, place)
	t.Cleanup(func() {
		require.NoError(t, Forget(b))
		require.NoError(t, unmap())
	})
	return m, b
}

func rwNew(t testing.TB, place string) (*rwMemory, *os.File) {
	f := newFile(t, int64(unsafe.Sizeof(rwMemory{})))
	m, _ := rwAttach(t, f, place)
	return m, f
}

// rw.peer obeys: a line with a command, a line with its result, in any order:
// each command runs on a goroutine of its own. Args: place.
var _ = testproc.Helper("rw.peer", func(c *testproc.Child) {
	m, b, _ := rwMap(c, c.Files[0], c.Args[0])
	rw := &m.rw
	for {
		cmd, arg, _ := strings.Cut(c.ReadLine(), " ")
		n, _ := strconv.Atoi(arg)
		go func() {
			var err error
			switch cmd {
			case "rlock":
				err = rw.RLock()
			case "tryrlock":
				err = rw.TryRLock()
			case "runlock":
				rw.RUnlock()
			case "lock":
				err = rw.Lock()
			case "trylock":
				err = rw.TryLock()
			case "unlock":
				rw.Unlock()
			case "repair":
				err = rw.LockRepair(context.Background(), func() error { return nil })
			case "repairing": // for ever
				err = rw.LockRepair(context.Background(), func() error {
					c.WriteLine("repairs")
					select {}
				})
			case "forget":
				err = Forget(b)
			case "mix":
				err = m.mix(n)
			}
			c.WriteLine("%s", nameOf(err))
		}()
	}
})

func rwPeer(t *testing.T, f *os.File, place string) *testproc.Proc {
	return testproc.Start(t, "rw.peer", testproc.Files(f), testproc.Args(place))
}

// read checks, inside, that no writer is.
func (m *rwMemory) read() error {
	m.readers.Add(1)
	defer m.readers.Add(^uint32(0))
	if m.writers.Load() != 0 || m.pair[0] != m.pair[1] {
		return errors.New("a reader meets a writer")
	}
	return nil
}

// write checks, inside, that nobody else is.
func (m *rwMemory) write() error {
	if m.writers.Add(1) != 1 || m.readers.Load() != 0 {
		return errors.New("a writer meets somebody")
	}
	m.pair[0]++
	m.counter++
	m.pair[1]++
	m.writers.Add(^uint32(0))
	return nil
}

// mix reads and writes in several goroutines, n times each; every fourth time it
// writes.
func (m *rwMemory) mix(n int) error {
	var all sync.WaitGroup
	errs := make([]error, 3)
	for g := range errs {
		all.Go(func() {
			for i := 0; i < n && errs[g] == nil; i++ {
				if (i+g)%4 != 0 {
					if errs[g] = m.rw.RLock(); errs[g] == nil {
						errs[g] = m.read()
						m.rw.RUnlock()
					}
				} else if errs[g] = m.rw.Lock(); errs[g] == nil {
					errs[g] = m.write()
					m.rw.Unlock()
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// sum adds up what the seats' words say.
func (m *rwMemory) sum() (active, waiting, granted int) {
	for i := range m.rw.count() {
		w := rwWord(m.rw.seat(i).word.Load())
		active += int(w.active())
		waiting += int(w.waiting())
		granted += int(w.granted())
	}
	return active, waiting, granted
}

func rwAwaitReaders(t *testing.T, m *rwMemory, active, waiting int) {
	t.Helper()
	await(t, func() bool {
		a, w, _ := m.sum()
		return a == active && w == waiting
	})
}

// rwAwaitWriter waits until a writer has shut all seats and waits for readers,
// or is inside.
func rwAwaitWriter(t *testing.T, m *rwMemory) {
	t.Helper()
	await(t, func() bool {
		closed := robust.StateOf(m.rw.gate.Word.Load()) == robust.Present
		for i := range m.rw.count() {
			closed = closed && rwWord(m.rw.seat(i).word.Load())&rwClosed != 0
		}
		return closed
	})
}
