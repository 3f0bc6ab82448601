package pool

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
)

// slowLoad is told of its end, and takes its time.
type slowLoad struct{ told, release chan struct{} }

func (slowLoad) value(int, []byte, *proc.Conn) error { return nil }
func (slowLoad) fail(int, error)                     {}
func (slowLoad) run(int, int, []byte) bool           { return false }
func (slowLoad) width() int                          { return 0 }
func (slowLoad) took(int, time.Duration)             {}
func (l slowLoad) finish(*batch)                     { close(l.told); <-l.release }

// Join comes after the end of all tasks, also of those that somebody else is about to end.
func TestJoinAfterAllTasks(t *testing.T) {
	p, err := New(1, &Options{Eager: true})
	require.NoError(t, err)
	c := p.core
	pid := p.Stats().PerWorker[0].PID
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	l := slowLoad{make(chan struct{}), make(chan struct{})}
	b := &batch{name: tarry.name, stride: -1, parts: [][]byte{{}}, n: 1, load: l}
	require.NoError(t, c.submit(b))
	p.Close()
	cancelled := make(chan bool, 1)
	go func() { cancelled <- c.cancel(b, ErrCancelled) }()
	<-l.told
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	testproc.Within(t, func() {
		for p.Stats().Workers > 0 {
			time.Sleep(time.Millisecond) // sleep: between two looks
		}
	})
	time.Sleep(10 * time.Millisecond) // sleep: for a Join that is too early; if it comes later, nothing is noticed
	select {
	case <-c.ended:
		t.Error("joined before the end of a task")
	default:
	}
	close(l.release)
	require.True(t, <-cancelled)
	ctx, stop := context.WithTimeout(t.Context(), testproc.Watchdog)
	defer stop()
	require.NoError(t, p.Join(ctx))
}
