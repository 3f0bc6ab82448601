//go:build !explore

package futex

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// alone runs with one processor, or one goroutine at a time. Each sleep ends
// only if another goroutine runs meanwhile.
var _ = testproc.Helper("alone", func(c *testproc.Child) {
	require.EqualValues(c, 1, min(runtime.NumCPU(), runtime.GOMAXPROCS(0)))
	require.Zero(c, new(Spinner).Rounds(), "would spin")
	w := new(mem.Uint32)
	for i := range uint32(1000) {
		go func() {
			w.Store(i + 1)
			WakeAll(w)
		}()
		for w.Load() == i {
			var err error
			if i%2 == 0 {
				err = Sleep(context.Background(), w, i, nil)
			} else {
				err = SleepAny(context.Background(), []Word{{w, i}}, nil)
			}
			require.NoError(c, err)
		}
	}
	c.WriteLine("awake")
})

func TestOneProcessorAtATime(t *testing.T) {
	p := testproc.Start(t, "alone", testproc.Env("GOMAXPROCS=1"))
	p.Expect("awake")
	p.Succeed()
}

func TestOneCPU(t *testing.T) {
	taskset := testproc.NeedTool(t, "taskset")
	exe, err := os.Executable()
	require.NoError(t, err)
	var cpus unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &cpus))
	cpu := 0
	for !cpus.IsSet(cpu) {
		cpu++
	}
	p := testproc.Start(t, "alone", testproc.Binary(taskset), testproc.Args("-c", strconv.Itoa(cpu), exe))
	p.Expect("awake")
	p.Succeed()
}

// The processes that play ping-pong on one CPU would need a scheduler's time
// slice a turn if they span.
var _ = testproc.Helper("pong", func(c *testproc.Child) {
	w, _ := mapTable(c, c.Files[0])
	for {
		turn := w[0].Load()
		switch {
		case turn == rallies:
			return
		case turn%2 == 1:
			w[0].Store(turn + 1)
			Wake(&w[0], 1)
		default:
			require.NoError(c, Sleep(context.Background(), &w[0], turn, nil))
		}
	}
})

const rallies = 2000

func TestPingPong(t *testing.T) {
	w, f := newTable(t)
	p := testproc.Start(t, "pong", testproc.Files(f), testproc.Env("GOMAXPROCS=1"))
	for {
		turn := w[0].Load()
		if turn == rallies {
			break
		}
		if turn%2 == 0 {
			w[0].Store(turn + 1)
			Wake(&w[0], 1)
			continue
		}
		require.NoError(t, Sleep(context.Background(), &w[0], turn, nil))
	}
	WakeAll(&w[0])
	p.Succeed()
}

func BenchmarkPingPong(b *testing.B) {
	w := new(mem.Uint32)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			turn := w.Load()
			switch turn % 4 {
			case 1:
				w.Store(turn + 1)
				Wake(w, 1)
			case 3:
				return
			default:
				Sleep(context.Background(), w, turn, nil)
			}
		}
	}()
	turn := uint32(0)
	for b.Loop() {
		w.Store(turn + 1)
		Wake(w, 1)
		for w.Load() == turn+1 {
			Sleep(context.Background(), w, turn+1, nil)
		}
		turn += 4
		w.Store(turn)
	}
	w.Store(3)
	WakeAll(w)
	<-done
}

func BenchmarkWakeNobody(b *testing.B) {
	w := new(mem.Uint32)
	for b.Loop() {
		Wake(w, 1)
	}
}

func BenchmarkSleepReturnsAtOnce(b *testing.B) {
	w := new(mem.Uint32)
	for b.Loop() {
		Sleep(context.Background(), w, 1, nil)
	}
}
