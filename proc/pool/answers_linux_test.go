package pool

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/shm"
)

// pass is two words on which a task and its test wait for each other.
type pass struct{ Here, Go mem.Uint32 }

var tarry = RegisterTask("tarry", tarryAt)

func tarryAt(ctx context.Context, name string) (int, error) {
	if name == "" {
		return 1, nil
	}
	o, err := shm.OpenObject[pass](ctx, name, nil)
	if err != nil {
		return 0, err
	}
	defer o.Close()
	o.Ptr().Here.Store(1)
	for o.Ptr().Go.Load() == 0 {
		time.Sleep(time.Millisecond) // sleep: between two looks
	}
	return 1, nil
}

// A worker that skips a batch may be heard by the collector before the pool has noted that it
// has taken the batch back: between the CAS and the ghost. Nobody but the ghost is landed.
func TestSkippedBeforeTheGhost(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testproc.Watchdog)
	defer cancel()
	p, err := New(1, &Options{Eager: true, Block: true})
	require.NoError(t, err)
	defer p.Terminate()
	c := p.core
	w := c.at[0].Load()
	require.NoError(t, syscall.Kill(w.process.PID(), syscall.SIGSTOP))
	f := tarry.Go(ctx, p, "")
	c.mu.Lock()
	b := w.flight[1].Load()
	require.True(t, w.desk.revoke(b.seq)) // what recall does first
	require.NoError(t, syscall.Kill(w.process.PID(), syscall.SIGCONT))
	for w.desk.rung.Load() == 0 { // it skips the batch
		time.Sleep(time.Millisecond) // sleep: between two looks
	}
	heard := make(chan struct{})
	go func() { // as the collector, which comes from another worker's answers
		c.read(w)
		close(heard)
	}()
	time.Sleep(20 * time.Millisecond) // sleep: for it to come to mu; if it does not, there is nothing to test
	c.ghost(w, b)
	c.again(b)
	c.pump()
	c.unlock()
	<-heard
	n, err := f.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	s := p.Stats()
	require.Zero(t, s.Died)
	c.mu.Lock()
	require.Zero(t, w.batches)
	require.Zero(t, w.bytes)
	require.Zero(t, w.flights)
	c.mu.Unlock()
}

// Answers that no worker would give are refused, and harm nothing.
func TestAnswersThatCannotBe(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testproc.Watchdog)
	defer cancel()
	p, err := New(1, &Options{Eager: true})
	require.NoError(t, err)
	defer p.Terminate()
	w := p.at[0].Load()
	require.ErrorIs(t, p.hear(w, answer{kind: answerBroken}), ringbuf.ErrCorrupt)
	name := testproc.Name(t)
	o, err := shm.NewObject[pass](name, nil)
	require.NoError(t, err)
	defer o.Close()
	defer shm.Unlink(name)
	f := tarry.Go(ctx, p, name)
	for o.Ptr().Here.Load() == 0 {
		time.Sleep(time.Millisecond) // sleep: between two looks
	}
	w.rx.Lock() // the collector hears nothing meanwhile
	require.ErrorIs(t, p.hear(w, answer{kind: answerSkipped, seq: 1}), ringbuf.ErrCorrupt)
	require.ErrorIs(t, p.hear(w, answer{kind: answerRun, seq: 1, count: 2}), ringbuf.ErrCorrupt)
	require.ErrorIs(t, p.hear(w, answer{kind: answerValue, seq: 1, index: 1, count: 1}), ringbuf.ErrCorrupt)
	require.ErrorIs(t, p.hear(w, answer{kind: answerValue, seq: 257, count: 1}), ringbuf.ErrCorrupt)
	w.rx.Unlock()
	o.Ptr().Go.Store(1)
	_, err = f.Get(ctx)
	require.NoError(t, err)
}

// A worker that says that a result lies beside the ring where none does holds up that task,
// and nobody else.
func TestNothingBesideTheRing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testproc.Watchdog)
	defer cancel()
	p, err := New(2, &Options{Eager: true})
	require.NoError(t, err)
	defer p.Terminate()
	name := testproc.Name(t)
	o, err := shm.NewObject[pass](name, nil)
	require.NoError(t, err)
	defer o.Close()
	defer shm.Unlink(name)
	f := tarry.Go(ctx, p, name)
	for o.Ptr().Here.Load() == 0 {
		time.Sleep(time.Millisecond) // sleep: between two looks
	}
	var w *worker
	for _, ref := range p.at {
		if o := ref.Load(); o.hasBegun() {
			w = o
		}
	}
	testproc.Within(t, func() {
		w.rx.Lock() // as the collector
		require.NoError(t, p.hear(w, answer{kind: answerCargo, seq: w.seq, count: 1}))
		w.rx.Unlock()
		for range 10 {
			n, err := tarry.Apply(ctx, p, "")
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
	})
	require.Equal(t, Running, f.State())
	require.NoError(t, w.process.Kill())
	_, err = f.Get(ctx)
	require.ErrorIs(t, err, ErrResult)
	p.Close()
	require.NoError(t, p.Join(ctx))
	s := p.Stats()
	require.Equal(t, s.Submitted, s.Done)
	require.Equal(t, 1, s.Failed)
}
