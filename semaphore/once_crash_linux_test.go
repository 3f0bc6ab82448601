//go:build !explore

package semaphore

import (
	"context"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// once.doer fails at its first try, and goes on until it is done; a slow one does
// it at once, as soon as three others sleep. Args: place, "slow" or nothing.
var _ = testproc.Helper("once.doer", func(c *testproc.Child) {
	m, _, _ := mapMemory(c, c.Files[0], c.Args[0])
	tries, slow := 0, len(c.Args) > 1
	do := func() error {
		return onceIn(m).Do(context.Background(), func() error {
			if tries++; tries == 1 && !slow {
				return errOnce
			}
			for slow && sleepers(&onceIn(m).mutex) < 3 {
				runtime.Gosched()
			}
			return m.fill(c)
		})
	}
	err := do()
	if err != nil {
		require.ErrorIs(c, err, errOnce)
		err = do()
	}
	require.NoError(c, err)
	require.True(c, onceIn(m).Done())
	require.Equal(c, m.pair[0], m.pair[1])
	require.Positive(c, m.counter)
	c.WriteLine("done")
})

// onceWalk is the scene of both walks. Somebody does it while victims and
// survivors come and wait, and then is killed or fails; or a victim does it, slowly.
func onceWalk(t *testing.T, v *testproc.Victim, victims int, end string, see func(o *Once, victims, survivors []*testproc.Proc)) {
	o, m, f := newOnce(t, "near")
	var ps, survivors []*testproc.Proc
	var owner *testproc.Proc
	args := []string{"slow"}
	if end != "slow" {
		args = nil
		owner = oncePeer(t, f, "near")
		tell(owner, "park", "does")
	}
	for i := range victims {
		ps = append(ps, v.Start("once.doer", testproc.Files(f), testproc.Args(places[i%2]), testproc.Args(args...)))
	}
	await(t, func() bool { return v.Fired() || !strings.HasPrefix(o.String(), "Once(not") })
	for i := range 3 {
		survivors = append(survivors, testproc.Start(t, "once.doer", testproc.Files(f), testproc.Args(places[i%2])))
	}
	switch end {
	case "kill":
		await(t, func() bool { return sleepers(&o.mutex) >= 3 })
		owner.Kill()
	case "fail":
		await(t, func() bool { return sleepers(&o.mutex) >= 3 })
		tell(owner, "fail", "cannot")
	}
	see(o, ps, survivors)
	require.True(t, o.Done())
	require.NoError(t, o.Do(t.Context(), nil))
	require.Equal(t, m.pair[0], m.pair[1])
}

var oncePoints = []string{"once."}

var onceEnds = []string{"slow", "kill", "fail"}

func TestOnceCrashWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, end := range onceEnds {
		for _, victims := range []int{1, 2} {
			scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
				onceWalk(t, v, victims, end, func(_ *Once, victims, survivors []*testproc.Proc) {
					for _, p := range victims {
						if s := p.Wait().Sys().(syscall.WaitStatus); !s.Signaled() {
							p.Succeed()
						}
					}
					for _, p := range survivors {
						p.Succeed()
					}
				})
			})
		}
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: oncePoints, Hits: 2}, scenarios...)
}

// A stopped doer keeps it for itself; whoever is stopped without doing it, or
// after it is done, holds up nobody.
func TestOnceStopWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, end := range onceEnds {
		scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
			onceWalk(t, v, 1, end, func(o *Once, victims, survivors []*testproc.Proc) {
				p := victims[0]
				if p.WaitStopped() {
					does := func() bool {
						pid, held := o.mutex.Owner()
						return held && pid == p.PID && !o.Done()
					}
					await(t, func() bool { return does() || exited(survivors) })
					if does() {
						require.ErrorIs(t, o.Do(timeout(t, time.Millisecond), nil), context.DeadlineExceeded)
						require.True(t, does())
					}
					p.Cont()
				}
				p.Succeed()
				for _, s := range survivors {
					s.Succeed()
				}
			})
		})
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: oncePoints, Hits: 2, Stop: true}, scenarios...)
}
