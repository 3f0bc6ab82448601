//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// V16, V25: parties stay in lock step, for 1, 10 and 1000 rounds, and each number
// is given once a round (V17), the action run once before anybody goes on (V18).
func TestBarrierLockStepV16V17V18V25(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		for _, rounds := range []int{1, 10, 1000} {
			const parties = 5
			m, f := newBar(t, place, parties)
			ps := barParties(t, f, place, parties)
			barTell(ps, "rounds "+strconv.Itoa(rounds))
			barExpect(ps, "OK")
			require.Zero(t, m.b.Waiting())
			require.False(t, m.b.Broken())
			require.EqualValues(t, rounds, m.acts.Load())
			for i := range parties {
				require.EqualValues(t, rounds, m.gave[i].Load(), "number %d", i)
			}
		}
	})
}

// V17: without an action, too, one and only one gets 0, and each other number.
func TestBarrierIndexV17(t *testing.T) {
	_, f := newBar(t, "near", 4)
	ps := barParties(t, f, "near", 4)
	for range 50 {
		barTell(ps, "wait")
		var got []string
		for _, p := range ps {
			got = append(got, p.ReadLine())
		}
		slices.Sort(got)
		require.Equal(t, []string{"0", "1", "2", "3"}, got)
	}
}

// V19: nobody passes an aborted barrier. V21: it can be reset and used again.
func TestBarrierAbortV19V21(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newBar(t, place, 4)
		ps := barParties(t, f, place, 4)
		for _, asleep := range []bool{true, false} {
			barTell(ps[:3], "wait")
			await(t, func() bool { return m.b.Waiting() == 3 })
			if asleep {
				barAsleep(t, &m.b, 3)
			}
			tell(ps[3], "abort", "OK")
			barExpect(ps[:3], "EBROKEN")
			require.True(t, m.b.Broken())
			require.Zero(t, m.b.Waiting())
			require.Equal(t, "Barrier(broken, 4 parties)", m.b.String())
			m.b.Abort()
			for range 3 {
				barTell(ps, "wait")
				barExpect(ps, "EBROKEN")
			}
			tell(ps[0], "reset", "OK")
			require.False(t, m.b.Broken())
			for i, p := range ps[:3] {
				p.WriteLine("wait")
				await(t, func() bool { return m.b.Waiting() == i+1 })
			}
			tell(ps[3], "wait", "3")
			for i, p := range ps[:3] {
				p.Expect(strconv.Itoa(i))
			}
		}
	})
}

// V20: a reset frees those who wait, with an error, and the barrier is as new.
func TestBarrierResetV20(t *testing.T) {
	m, f := newBar(t, "near", 3)
	ps := barParties(t, f, "near", 3)
	for range 20 {
		barTell(ps[:2], "wait")
		await(t, func() bool { return m.b.Waiting() == 2 })
		tell(ps[2], "reset", "OK")
		barExpect(ps[:2], "EBROKEN")
		require.False(t, m.b.Broken())
		require.Zero(t, m.b.Waiting())
		barTell(ps, "wait")
		sum := 0
		for _, p := range ps {
			i, err := strconv.Atoi(p.ReadLine())
			require.NoError(t, err)
			sum += i
		}
		require.Equal(t, 3, sum)
	}
}

// V22: one party comes late, and nobody passes, the late one neither.
func TestBarrierTimeoutV22(t *testing.T) {
	m, f := newBar(t, "near", 4)
	ps := barParties(t, f, "near", 4)
	barTell(ps[:2], "wait")
	barAsleep(t, &m.b, 2)
	tell(ps[2], "wait 5", "EBROKEN, timeout")
	barExpect(ps[:2], "EBROKEN")
	tell(ps[3], "wait", "EBROKEN")
	require.True(t, m.b.Broken())
}

// V23: the default timeout holds where the context has no deadline, in all
// processes.
func TestBarrierDefaultTimeoutV23(t *testing.T) {
	m, f := newBar(t, "near", 2)
	ps := barParties(t, f, "near", 1)
	const d = 20 * time.Millisecond
	m.b.SetTimeout(d)
	began := time.Now()
	tell(ps[0], "wait", "EBROKEN, timeout")
	require.GreaterOrEqual(t, time.Since(began), d)
	require.NoError(t, m.b.Reset(t.Context()))

	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	own := start(func() error { _, err := m.b.Wait(ctx); return err })
	barAsleep(t, &m.b, 1)
	time.Sleep(2 * d) // sleep: that nothing happens meanwhile can only be seen by waiting
	require.Equal(t, 1, m.b.Waiting(), "the context's own deadline holds")
	tell(ps[0], "wait", "1")
	require.NoError(t, result(t, own))

	m.b.SetTimeout(-1)
	require.Zero(t, m.b.timeout.Load())
	ps[0].WriteLine("wait")
	barAsleep(t, &m.b, 1)
	time.Sleep(2 * d) // sleep: as above
	require.Equal(t, 1, m.b.Waiting())
	_, err := m.b.Wait(t.Context())
	require.NoError(t, err)
	ps[0].Expect("0")
}

// V24: one party never waits.
func TestBarrierOfOneV24(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newBar(t, place, 1)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		acts := 0
		for range 100 {
			i, err := m.b.Wait(t.Context())
			require.NoError(t, err)
			require.Zero(t, i)
			_, err = m.b.WaitAction(ended, func() error { acts++; return nil })
			require.NoError(t, err)
		}
		require.Equal(t, 100, acts)
	})
}

// V26: an action that fails breaks the barrier, and only who ran it hears why.
func TestBarrierActionFailsV26(t *testing.T) {
	failed := errors.New("failed")
	for name, act := range map[string]func() error{
		"error":  func() error { return failed },
		"panic":  func() error { panic(failed) },
		"Goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			m, f := newBar(t, "near", 2)
			ps := barParties(t, f, "near", 1)
			ps[0].WriteLine("wait")
			barAsleep(t, &m.b, 1)
			died := make(chan any, 1)
			go func() {
				var err error
				defer func() {
					if r := recover(); r != nil {
						died <- r
					} else {
						died <- err
					}
				}()
				_, err = m.b.WaitAction(context.Background(), func() error {
					require.Zero(t, m.b.Waiting())
					require.Equal(t, "Barrier(action, 2 parties)", m.b.String())
					return act()
				})
			}()
			ps[0].Expect("EBROKEN")
			switch why := <-died; name {
			case "error":
				require.ErrorIs(t, why.(error), failed)
				require.ErrorIs(t, why.(error), ErrBroken)
			case "panic":
				require.Equal(t, failed, why)
			default:
				require.Nil(t, why)
			}
			require.True(t, m.b.Broken())
			require.NoError(t, m.b.Reset(t.Context()))
			ps[0].WriteLine("wait")
			_, err := m.b.Wait(t.Context())
			require.NoError(t, err)
			ps[0].ReadLine()
			require.NoError(t, m.b.Leave(), "the failed call is over")
		})
	}
}

// Abort and Reset while an action runs: it is told, and the next phase may go
// on without it.
func TestBarrierResetDuringAction(t *testing.T) {
	for _, reset := range []bool{true, false} {
		m, f := newBar(t, "near", 2)
		ps := barParties(t, f, "near", 1)
		ps[0].WriteLine("wait")
		await(t, func() bool { return m.b.Waiting() == 1 })
		_, err := m.b.WaitAction(t.Context(), func() error {
			if !reset {
				m.b.Abort()
				ps[0].Expect("EBROKEN")
				return nil
			}
			require.NoError(t, m.b.Reset(t.Context()))
			ps[0].Expect("EBROKEN")
			ps[0].WriteLine("wait")
			_, err := m.b.Wait(t.Context())
			require.NoError(t, err)
			ps[0].ReadLine()
			return nil
		})
		require.ErrorIs(t, err, ErrBroken)
		require.Equal(t, !reset, m.b.Broken())
	}
}

// More come than there are parties: those who come during an action are of the
// next phase, and one of them that gives up breaks nothing.
func TestBarrierExtraArrivers(t *testing.T) {
	m, f := newBar(t, "near", 2)
	ps := barParties(t, f, "near", 4)
	ps[0].WriteLine("wait")
	await(t, func() bool { return m.b.Waiting() == 1 })
	i, err := m.b.WaitAction(t.Context(), func() error {
		barTell(ps[1:3], "wait")
		barAsleep(t, &m.b, 3)
		tell(ps[3], "wait 5", "wait at a barrier for an action to end: context deadline exceeded")
		require.False(t, m.b.Broken())
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 1, i)
	ps[0].Expect("0")
	got := []string{ps[1].ReadLine(), ps[2].ReadLine()}
	slices.Sort(got)
	require.Equal(t, []string{"0", "1"}, got)
	require.Zero(t, m.b.Waiting())
}

// Any number of goroutines of one process are parties, too, and the race
// detector finds their memory in order.
func TestBarrierGoroutines(t *testing.T) {
	for _, parties := range []int{2, 100} {
		m, _ := newBar(t, "near", parties)
		wrote := make([]int, parties)
		var all sync.WaitGroup
		for p := range parties {
			all.Go(func() {
				for i := range 20 {
					wrote[p] = i
					if _, err := m.b.Wait(context.Background()); err != nil {
						t.Error(err)
						return
					}
					for q := range wrote {
						if wrote[q] != i {
							t.Errorf("party %d in round %d", q, i)
						}
					}
					if _, err := m.b.Wait(context.Background()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		testproc.Within(t, all.Wait)
		require.Zero(t, m.b.Waiting())
	}
}

// X15: what cannot be a barrier is refused, and what is not one yet.
func TestBarrierX15(t *testing.T) {
	m, _ := newBar(t, "near", 3)
	for _, n := range []int{0, -1, maxParties + 1, math.MinInt, math.MaxInt} {
		require.ErrorIs(t, m.b.Init(n), ErrInvalid, "%d", n)
		require.Equal(t, 3, m.b.Parties())
	}
	require.NoError(t, m.b.Init(maxParties))

	var zero Barrier
	for range 2 {
		_, err := zero.Wait(t.Context())
		require.ErrorIs(t, err, ErrNotInitialized)
		_, err = zero.WaitAction(t.Context(), nil)
		require.ErrorIs(t, err, ErrNotInitialized)
		require.ErrorIs(t, zero.Join(), ErrNotInitialized)
		require.ErrorIs(t, zero.Reset(t.Context()), ErrNotInitialized)
		require.NoError(t, zero.Leave())
		require.Zero(t, zero.Waiting())
		require.Equal(t, "Barrier(not initialized)", zero.String())
		zero.Abort()
	}

	odd := (*Barrier)(unsafe.Add(unsafe.Pointer(&make([]uint64, barrierSize/8+1)[0]), 4))
	require.ErrorIs(t, odd.Init(2), ErrInvalid)
	require.ErrorIs(t, odd.Join(), ErrInvalid)

	// Across one that is in use.
	m, _ = newBar(t, "near", 2)
	require.NoError(t, m.b.Join())
	odd = (*Barrier)(unsafe.Add(unsafe.Pointer(&m.b), 4))
	require.ErrorIs(t, odd.Join(), ErrInvalid)
	require.NoError(t, odd.Leave())
	require.ErrorIs(t, odd.Init(2), ErrInvalid)
}

func TestBarrierForget(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newBar(t, place, 2)
		all := unsafe.Slice((*byte)(unsafe.Pointer(m)), unsafe.Sizeof(*m))
		ps := barParties(t, f, place, 1)
		for range 3 {
			waits := start(func() error { _, err := m.b.Wait(context.Background()); return err })
			await(t, func() bool { return m.b.Waiting() == 1 })
			require.ErrorIs(t, Forget(all), ErrBusy)
			require.ErrorIs(t, m.b.Leave(), ErrBusy)
			require.ErrorIs(t, m.b.Init(2), ErrBusy)
			tell(ps[0], "wait", "1")
			require.NoError(t, result(t, waits))
			require.NoError(t, Forget(all))
			require.NoError(t, m.b.Leave())
		}
		// Who has left may go without being missed.
		tell(ps[0], "leave", "OK")
		ps[0].Kill()
		ps[0].Wait()
		require.False(t, m.b.Broken())
		ps = barParties(t, f, place, 1)
		ps[0].WriteLine("wait")
		_, err := m.b.Wait(t.Context())
		require.NoError(t, err)
		ps[0].ReadLine()
		require.EqualValues(t, 2, m.b.used.Load(), "seats are used again")
	})
}

func TestBarrierString(t *testing.T) {
	m, f := newBar(t, "near", 2)
	ps := barParties(t, f, "near", 1)
	require.Equal(t, "Barrier(0 of 2 waiting)", fmt.Sprint(&m.b))
	ps[0].WriteLine("wait")
	await(t, func() bool { return m.b.String() == "Barrier(1 of 2 waiting)" })
}

// What a party finds that has overslept phases.
func TestBarrierOutcome(t *testing.T) {
	for _, from := range []barrierWord{0, barrierPhases - 5, barrierPhases} {
		w := from
		var broke []bool // by phase
		for i := range 40 {
			b := i%3 == 0
			broke = append(broke, b)
			if b {
				w = w.broke()
				require.True(t, w.broken())
				require.ErrorIs(t, w.outcome(w.phase(), false), ErrBroken)
				w = (w | barrierSleepers).next(1)
			} else {
				w = (w + 3*barrierArrival | barrierSleepers).next(0)
			}
			require.False(t, w.broken())
			require.False(t, w.sleepers())
			require.Zero(t, w.arrived())
			require.Equal(t, (uint32(from)+uint32(i)+1)&barrierPhases, w.phase())
			require.True(t, (w | barrierSleepers).open(w.phase()))
			for j, b := range broke {
				p := (uint32(from) + uint32(j)) & barrierPhases
				require.False(t, w.open(p))
				for _, resets := range []bool{false, true} {
					want := b
					if len(broke)-j > barrierKnown {
						want = resets
					}
					require.Equal(t, want, w.outcome(p, resets) != nil)
				}
			}
		}
	}
}
