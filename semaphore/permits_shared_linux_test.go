//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// permitsMemory is what the processes of the permits' tests share.
type permitsMemory struct {
	p     Permits
	has   [8]mem.Uint32 // what each of a walk's survivors has for certain
	chaos mem.Uint32    // tells those who churn for ever to end
}

const permitsMemorySize = 3 * 4096

func permitsMap(t require.TestingT, f *os.File, place string) (*permitsMemory, []byte, func() error) {
	if place == "foreign" {
		b, err := unix.Mmap(int(f.Fd()), 0, permitsMemorySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(t, err)
		return (*permitsMemory)(unsafe.Pointer(&b[0])), b, func() error { return unix.Munmap(b) }
	}
	m, err := mem.Map(f, permitsMemorySize, mem.Options{})
	require.NoError(t, err)
	return (*permitsMemory)(unsafe.Pointer(&m.Bytes()[0])), m.Bytes(), m.Close
}

func newPermits(t testing.TB, place string, n int) (*permitsMemory, *os.File) {
	require.Less(t, int(unsafe.Sizeof(permitsMemory{})), permitsMemorySize)
	f := newFile(t, permitsMemorySize)
	m, b, unmap := permitsMap(t, f, place)
	require.NoError(t, m.p.Init(n))
	t.Cleanup(func() {
		require.NoError(t, Forget(b))
		require.NoError(t, unmap())
	})
	return m, f
}

// permits.peer obeys: a line with a command, a line with its result. Args: place.
var _ = testproc.Helper("permits.peer", func(c *testproc.Child) {
	m, b, _ := permitsMap(c, c.Files[0], c.Args[0])
	p, ctx := &m.p, context.Background()
	for {
		cmd, arg, _ := strings.Cut(c.ReadLine(), " ")
		k, _ := strconv.Atoi(arg)
		var err error
		switch cmd {
		case "acquire":
			err = p.Acquire(ctx, k)
		case "try":
			err = p.TryAcquire(k)
		case "release":
			err = p.Release(k)
		case "churn":
			err = permitsChurn(p, k)
		case "chaos": // until it is told to end, or killed
			c.WriteLine("begins")
			for err == nil && m.chaos.Load() == 0 {
				err = permitsChurn(p, 100)
			}
		case "forget":
			err = Forget(b)
		}
		c.WriteLine("%s", permitsName(err))
	}
})

func permitsName(err error) string {
	for name, e := range map[string]error{"OK": nil, "none": ErrNoPermits, "busy": ErrBusy, "not held": ErrNotHeld} {
		if errors.Is(err, e) {
			return name
		}
	}
	return fmt.Sprint(err)
}

// permitsChurn acquires and releases n times as many as it likes, and has none in
// the end.
func permitsChurn(p *Permits, n int) (err error) {
	held := 0
	for i := 0; i < n && err == nil; i++ {
		k := 1 + rand.IntN(p.Total())
		switch rand.IntN(4) {
		case 0:
			if err = p.TryAcquire(k); err == nil {
				held += k
			} else if errors.Is(err, ErrNoPermits) {
				err = nil
			}
		case 1: // in two steps, unless two who do so could wait for each other
			if held == 0 {
				err = p.Acquire(context.Background(), k)
				held = k
			}
		default:
			if held > 0 {
				k = 1 + rand.IntN(held)
				err = p.Release(k)
				held -= k
			}
		}
	}
	if err == nil && held > 0 {
		err = p.Release(held)
	}
	return err
}

func permitsPeer(t *testing.T, f *os.File, place string) *testproc.Proc {
	return testproc.Start(t, "permits.peer", testproc.Files(f), testproc.Args(place))
}

func awaitFree(t testing.TB, p *Permits, n int) {
	t.Helper()
	await(t, func() bool { return p.Available() == n })
}

func awaitPermitsSleepers(t testing.TB, p *Permits, n int) {
	t.Helper()
	await(t, func() bool { return futexSleepers(&p.m.bell) == n })
}
