package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What overtakes an item of the same producer, or comes twice, is found.
func TestReceiptChecksTheOrderOfEachProducer(t *testing.T) {
	var r receipt
	for _, v := range []uint64{item(0, 1), item(1, 1), item(1, 5), item(0, 2)} { // another consumer may have the rest
		require.NoError(t, r.add(v))
	}
	require.ErrorContains(t, r.add(item(1, 4)), "item 4 of producer 1 came after its item 5")
	require.ErrorContains(t, r.add(item(0, 2)), "item 2 of producer 0 came after its item 2")
	require.Equal(t, uint64(4), r.n)
	require.Equal(t, [2]uint64{3, 6}, r.sums)
}

// The run begins for all when the first has warmed up, and ends for all when
// the first has run for its time.
func TestPhasesOfAFan(t *testing.T) {
	f := &fan{}
	long, short := timing{Warm: time.Hour, Run: time.Hour}, timing{}
	a := &receipt{fan: f, timing: long, since: time.Now(), n: 10}
	b := &receipt{fan: f, timing: short, since: time.Now(), n: 20}
	a.look()
	require.False(t, a.began)
	b.look()
	require.Equal(t, uint32(counting), f.phase.Load())
	a.look()
	require.True(t, a.began && b.began)
	a.n, b.n = 13, 25
	b.look()
	require.Equal(t, uint32(over), f.phase.Load())
	a.look()
	a.n = 99 // what is received after the run does not count
	a.look()
	require.Equal(t, int64(3), a.counted)
	require.Equal(t, int64(5), b.counted)
	require.Positive(t, a.elapsed)
}

func TestFanFindsWhatIsLost(t *testing.T) {
	for _, c := range []struct {
		name     string
		received [2]uint64
		sums     [2][2]uint64 // by consumer and producer
		ok       bool
	}{
		{"all", [2]uint64{3, 2}, [2][2]uint64{{1 + 3, 1}, {2, 2}}, true},
		{"one lost", [2]uint64{3, 1}, [2][2]uint64{{1 + 3, 1}, {2, 0}}, false},
		{"one twice", [2]uint64{3, 3}, [2][2]uint64{{1 + 3, 1}, {2 + 3, 2}}, false},
		{"one lost, another twice", [2]uint64{3, 2}, [2][2]uint64{{1 + 3, 1}, {3, 2}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fan{}
			for i := range c.received {
				f.sides[i].received, f.sides[i].sums = c.received[i], c.sums[i]
				f.sides[i].counted, f.sides[i].elapsed = 2, time.Duration(1+i)
			}
			f.sides[2].sent, f.sides[3].sent = 3, 2
			for i := range f.sides {
				f.sides[i].ended.Store(1)
			}
			o, err := f.sum(&order{Job: jobMPMC})
			if !c.ok {
				require.ErrorIs(t, err, errLost)
				return
			}
			require.NoError(t, err)
			require.Equal(t, int64(4), o.ops)
			require.Equal(t, time.Duration(2), o.elapsed)
		})
	}
}
