//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// barMemory is what the processes of the barrier's tests share.
type barMemory struct {
	b     Barrier
	alone Barrier        // of one party
	acts  mem.Uint32     // actions that were run
	ready mem.Uint32     // processes of a walk that have begun
	round [8]mem.Uint32  // how far each party is
	gave  [16]mem.Uint32 // how often each number was given
}

func barMap(t require.TestingT, f *os.File, place string) (*barMemory, []byte, func() error) {
	size := int(unsafe.Sizeof(barMemory{}))
	if place == "foreign" {
		b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(t, err)
		return (*barMemory)(unsafe.Pointer(&b[0])), b, func() error { return unix.Munmap(b) }
	}
	m, err := mem.Map(f, size, mem.Options{})
	require.NoError(t, err)
	return (*barMemory)(unsafe.Pointer(&m.Bytes()[0])), m.Bytes(), m.Close
}

func newBar(t testing.TB, place string, parties int) (*barMemory, *os.File) {
	f := newFile(t, int64(unsafe.Sizeof(barMemory{})))
	m, b, unmap := barMap(t, f, place)
	require.NoError(t, m.b.Init(parties))
	require.NoError(t, m.alone.Init(1))
	t.Cleanup(func() {
		require.NoError(t, Forget(b))
		require.NoError(t, unmap())
	})
	return m, f
}

// party obeys: a line with a command, a line with its result. Args: place, and
// its number.
var _ = testproc.Helper("barrier.party", func(c *testproc.Child) {
	m, _, _ := barMap(c, c.Files[0], c.Args[0])
	id, err := strconv.Atoi(c.Args[1])
	require.NoError(c, err)
	for {
		cmd, arg, _ := strings.Cut(c.ReadLine(), " ")
		n, _ := strconv.Atoi(arg)
		switch cmd {
		case "join":
			c.WriteLine("%s", barName(m.b.Join()))
		case "leave":
			c.WriteLine("%s", barName(m.b.Leave()))
		case "abort":
			m.b.Abort()
			c.WriteLine("OK")
		case "reset":
			c.WriteLine("%s", barName(m.b.Reset(context.Background())))
		case "wait": // for so many milliseconds, 0: for ever
			c.WriteLine("%s", barWait(&m.b, time.Duration(n)*time.Millisecond))
		case "act": // for ever
			_, err := m.b.WaitAction(context.Background(), func() error {
				c.WriteLine("acts")
				c.Park()
				return nil
			})
			c.WriteLine("%s", barName(err))
		case "rounds":
			c.WriteLine("%s", barName(m.rounds(id, n)))
		}
	}
})

func barWait(b *Barrier, d time.Duration) string {
	ctx, cancel := context.Background(), func() {}
	if d > 0 {
		ctx, cancel = context.WithTimeout(ctx, d)
	}
	defer cancel()
	i, err := b.Wait(ctx)
	if err != nil {
		if i != -1 {
			return fmt.Sprintf("index %d with an error", i)
		}
		return barName(err)
	}
	return strconv.Itoa(i)
}

// barName is how a result travels.
func barName(err error) string {
	switch {
	case err == nil:
		return "OK"
	case errors.Is(err, ErrBroken) && errors.Is(err, context.DeadlineExceeded):
		return "EBROKEN, timeout"
	case errors.Is(err, ErrBroken):
		return "EBROKEN"
	case errors.Is(err, ErrTooManyProcesses):
		return "ETOOMANY"
	}
	return err.Error()
}

// rounds is n rounds of party id, in which all parties stay in lock step and the
// last of each round acts.
func (m *barMemory) rounds(id, n int) error {
	parties := m.b.Parties()
	for i := range uint32(n) {
		m.round[id].Store(i + 1)
		index, err := m.b.WaitAction(context.Background(), func() error {
			if acts := m.acts.Add(1); acts != i+1 {
				return fmt.Errorf("action %d of round %d", acts, i)
			}
			return nil
		})
		if err != nil {
			return err
		}
		m.gave[index].Add(1)
		if acts := m.acts.Load(); acts != i+1 && acts != i+2 {
			return fmt.Errorf("round %d: released after %d actions", i, acts)
		}
		for j := range parties {
			if r := m.round[j].Load(); r != i+1 && r != i+2 {
				return fmt.Errorf("round %d: party %d is in round %d", i, j, r)
			}
		}
	}
	return nil
}

func barParties(t *testing.T, f *os.File, place string, n int) (ps []*testproc.Proc) {
	for i := range n {
		ps = append(ps, testproc.Start(t, "barrier.party", testproc.Files(f), testproc.Args(place, strconv.Itoa(i))))
	}
	return ps
}

// barTell sends all the same command; what they answer is read elsewhere.
func barTell(ps []*testproc.Proc, cmd string) {
	for _, p := range ps {
		p.WriteLine("%s", cmd)
	}
}

func barExpect(ps []*testproc.Proc, want string) {
	for _, p := range ps {
		p.Expect(want)
	}
}

// barAsleep waits until so many processes sleep at b.
func barAsleep(t *testing.T, b *Barrier, n int) {
	t.Helper()
	await(t, func() bool { return futexSleepers(low(&b.word)) == n })
}
