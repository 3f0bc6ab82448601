//go:build !explore

package futex

import (
	"context"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// sleeper sleeps on word 0 until it changes.
var _ = testproc.Helper("sleeper", func(c *testproc.Child) {
	w, _ := mapTable(c, c.Files[0])
	returns := 0
	for w[0].Load() == 0 {
		require.NoError(c, Sleep(context.Background(), &w[0], 0, nil))
		returns++
	}
	c.WriteLine("%d", returns)
})

func TestWakeBetweenProcesses(t *testing.T) {
	w, f := newTable(t)
	p := testproc.Start(t, "sleeper", testproc.Files(f))
	awaitSleepers(t, &w[0], 1)
	require.Zero(t, Wake(&w[1], 1), "a stranger was woken")
	w[0].Store(1)
	Wake(&w[0], 1) // 0 where the sleeper's look was faster
	p.Expect("1")
	p.Succeed()
}

func TestWakeCounts(t *testing.T) {
	w, f := newTable(t)
	for range 3 {
		testproc.Start(t, "sleeper", testproc.Files(f))
	}
	awaitSleepers(t, &w[0], 3)
	require.Equal(t, 2, Wake(&w[0], 2), "wakes of an unchanged word, which nobody's look finds")
	awaitSleepers(t, &w[0], 3)
	require.Equal(t, 3, Wake(&w[0], 100))
	awaitSleepers(t, &w[0], 3)
	WakeAll(&w[0])
	awaitSleepers(t, &w[0], 3)
}

func TestSleepOnAnotherValueReturns(t *testing.T) {
	ways(t, func(t *testing.T) {
		w, _ := newTable(t)
		w[0].Store(7)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, ctx := range []context.Context{context.Background(), ctx} {
			require.NoError(t, Sleep(ctx, &w[0], 6, nil))
			require.NoError(t, SleepAny(ctx, []Word{{&w[0], 6}}, nil))
			require.NoError(t, SleepAny(ctx, []Word{{&w[1], 0}, {&w[0], 6}}, nil))
		}
	})
}

// The heap works as well: the goroutines of one process.
func TestSleepOnHeapWord(t *testing.T) {
	w := new(mem.Uint32)
	done := start(func() error {
		for w.Load() == 0 {
			if err := Sleep(context.Background(), w, 0, nil); err != nil {
				return err
			}
		}
		return nil
	})
	awaitSleepers(t, w, 1)
	w.Store(1)
	WakeAll(w)
	require.NoError(t, result(t, done))
}

// WakeClear clears the word and wakes one, whatever the word held.
func TestWakeClear(t *testing.T) {
	for _, val := range []uint32{1, 0x80000001, 0xffffffff, 0x7ff, 0xfffff000} {
		w, _ := newTable(t)
		w[0].Store(val)
		var done []<-chan error
		for range 3 {
			done = append(done, start(func() error { return SleepAny(context.Background(), []Word{{&w[0], val}}, nil) }))
		}
		awaitSleepers(t, &w[0], 3)
		require.NoError(t, WakeClear(&w[0]))
		require.Zero(t, w[0].Load())
		// The other two return by their look.
		for _, d := range done {
			require.NoError(t, result(t, d))
		}
	}
}

// blocked sleeps on word 0 without a look: what wakes it is a wake.
var _ = testproc.Helper("blocked", func(c *testproc.Child) {
	w, _ := mapTable(c, c.Files[0])
	e := sysWait(&w[0], 1, nil)
	c.WriteLine("%d", e)
})

func TestWakeClearWakesOne(t *testing.T) {
	w, f := newTable(t)
	w[0].Store(1)
	var ps []*testproc.Proc
	for range 3 {
		ps = append(ps, testproc.Start(t, "blocked", testproc.Files(f)))
	}
	for n := 3; n > 0; n-- {
		awaitSleepers(t, &w[0], n)
		require.NoError(t, WakeClear(&w[0]))
		require.Zero(t, w[0].Load())
		require.Equal(t, n-1, sleepers(&w[0]))
		w[0].Store(1)
	}
	require.NoError(t, WakeClear(&w[0]), "with nobody to wake")
	require.Zero(t, w[0].Load())
	for _, p := range ps {
		p.Expect("0") // woken, not EAGAIN
		p.Succeed()
	}
}

// Goroutines that sleep on one word share a thread.
func TestManySleepersFewThreads(t *testing.T) {
	const n = 1000
	threads := func() int {
		e, err := os.ReadDir("/proc/self/task")
		require.NoError(t, err)
		return len(e)
	}
	ways(t, func(t *testing.T) {
		w, _ := newTable(t)
		cancellable, cancel := context.WithCancel(t.Context())
		defer cancel()
		before := threads()
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				ctx := context.Background()
				if i%2 == 0 {
					ctx = cancellable
				}
				for w[0].Load() == 0 {
					if err := Sleep(ctx, &w[0], 0, nil); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		await(t, func() bool { return followers(&w[0]) == n-1 })
		require.Less(t, threads()-before, 50)
		w[0].Store(1)
		Wake(&w[0], 1)
		testproc.Within(t, all.Wait)
	})
}

// Wakes that change nothing send the leader away and the next one into the
// kernel; nobody is forgotten.
func TestLeadersFollowEachOther(t *testing.T) {
	w, _ := newTable(t)
	const n = 10
	var returned atomic.Int32
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := Sleep(context.Background(), &w[0], 0, nil); err != nil {
				t.Error(err)
			}
			returned.Add(1)
		})
	}
	await(t, func() bool { return followers(&w[0]) == n-1 })
	for i := range n {
		awaitSleepers(t, &w[0], 1)
		require.Equal(t, 1, Wake(&w[0], maxWake))
		await(t, func() bool { return int(returned.Load()) == i+1 })
	}
	testproc.Within(t, all.Wait)
	require.Zero(t, sleepers(&w[0]))
}

// Each goroutine waits for its own value of one word, as tickets are called.
func TestFollowersOfOtherValues(t *testing.T) {
	w, _ := newTable(t)
	const n = 100
	var all sync.WaitGroup
	for i := range uint32(n) {
		all.Go(func() {
			for {
				seen := w[0].Load()
				if seen >= i {
					return
				}
				if err := Sleep(context.Background(), &w[0], seen, nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range uint32(n) {
		w[0].Store(i)
		WakeAll(&w[0])
		runtime.Gosched()
	}
	testproc.Within(t, all.Wait)
}

// Who waits for 0 to change does not follow one who waits for 1 to change and is
// on its way into the kernel: that one would not see 0 become 1, and the wake
// would find nobody.
func TestNobodyFollowsAnotherValue(t *testing.T) {
	w, _ := newTable(t)
	other := newWaiter(context.Background(), nil, Word{&w[0], 1})
	b := bayOf(&w[0])
	b.Lock()
	b.leaders = append(b.leaders, other)
	b.Unlock()
	done := start(func() error { return Sleep(context.Background(), &w[0], 0, nil) })
	awaitSleepers(t, &w[0], 1)
	w[0].Store(1)
	Wake(&w[0], 1)
	require.NoError(t, result(t, done))
	b.leave(other)
}

func TestFault(t *testing.T) {
	pages, err := unix.Mmap(-1, 0, 2*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Munmap(pages)) }()
	lost := (*mem.Uint32)(unsafe.Pointer(&pages[0]))
	fixed := (*mem.Uint32)(unsafe.Pointer(&pages[os.Getpagesize()]))
	fixed.Store(5)
	require.NoError(t, unix.Mprotect(pages[:os.Getpagesize()], unix.PROT_NONE))
	require.NoError(t, unix.Mprotect(pages[os.Getpagesize():], unix.PROT_READ))

	require.Equal(t, unix.EFAULT, sysWait(lost, 0, nil))
	require.ErrorIs(t, WakeClear(lost), ErrFault)
	require.Zero(t, Wake(lost, 1))
	WakeAll(lost)

	require.ErrorIs(t, WakeClear(fixed), ErrFault)
	require.EqualValues(t, 5, fixed.Load())
	// The kernel does not let a thread sleep on private memory that it may not
	// write, though the word can be read.
	ways(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, ctx := range []context.Context{context.Background(), ctx} {
			require.ErrorIs(t, Sleep(ctx, fixed, 5, nil), ErrFault)
			require.ErrorIs(t, SleepAny(ctx, []Word{{fixed, 5}}, nil), ErrFault)
		}
		w, _ := newTable(t)
		if isWaitv(t) {
			require.ErrorIs(t, SleepAny(context.Background(), []Word{{&w[0], 0}, {fixed, 5}}, nil), ErrFault)
		}
	})
}

// A store by a fence-free side and a store by a side that calls HeavyFence: one
// of them sees the other.
func TestHeavyFence(t *testing.T) {
	testproc.Need(t, "membarrier(2)", LightFences() && HeavyFence())
	// The sides go in step, which a busy machine makes slow.
	began := time.Now()
	for n := 0; n < 30 && time.Since(began) < time.Second; n++ {
		heavyFence(t)
	}
}

func heavyFence(t *testing.T) {
	const rounds = 100
	var w struct {
		x mem.Uint32
		_ [mem.Line]byte
		y mem.Uint32
	}
	var turn [2]atomic.Uint32
	var saw [2][rounds]bool
	side := func(me int, mine, other *mem.Uint32, fence func()) {
		for i := uint32(1); i <= rounds; i++ {
			turn[me].Store(i)
			for n := 0; turn[1-me].Load() < i; n++ {
				if n > 1000 {
					runtime.Gosched()
				}
			}
			mine.StoreRelease(i)
			fence()
			saw[me][i-1] = other.Load() >= i
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		side(1, &w.y, &w.x, func() {})
	}()
	side(0, &w.x, &w.y, func() { HeavyFence() })
	<-done
	for i := range rounds {
		require.True(t, saw[0][i] || saw[1][i], "round %d: both missed the other's store", i)
	}
}
