package mem

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// litmusRounds is enough for a 2-core machine to show the store-buffer
// reordering some hundred times; see TestStoreBuffer.
const litmusRounds = 200_000

// grounds runs a litmus test on words of the Go heap and on words of a mapped
// file, which are one thing to the processor and two to the race detector.
func grounds(t *testing.T, test func(t *testing.T, w *litmusWords)) {
	t.Run("heap", func(t *testing.T) { test(t, new(litmusWords)) })
	t.Run("mapped", func(t *testing.T) { test(t, mappedLitmusWords(t)) })
}

// litmusWords are words on lines of their own.
type litmusWords struct {
	x Uint64
	_ [Line - 8]byte
	y Uint64
	_ [Line - 8]byte
	z Uint64
	_ [Line - 8]byte
}

// Message passing: whoever sees what StoreRelease stored also sees what was
// stored before.
func TestMessagePassing(t *testing.T) {
	grounds(t, func(t *testing.T, w *litmusWords) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := uint64(1); i <= litmusRounds; i++ {
				w.x.StoreRelaxed(i)
				w.y.StoreRelease(i)
			}
		}()
		for flag, idle := uint64(0), 0; flag != litmusRounds; {
			seen := w.y.Load()
			data := w.x.Load()
			require.GreaterOrEqual(t, data, seen, "the message came after its flag")
			if seen == flag {
				if idle++; idle%1000 == 0 {
					runtime.Gosched()
				}
			}
			flag = seen
		}
		<-done
	})
}

// Store buffering: two sides store to their own word and then load the other's.
// Without a fence both can load the old value. With Fence between the release
// store and the load, one of them sees the other.
func TestStoreBuffer(t *testing.T) {
	grounds(t, func(t *testing.T, w *litmusWords) {
		require.Zero(t, storeBuffer(w, Fence), "both sides missed the other's store in spite of Fence")
		t.Logf("without a fence both sides missed the other's store %d times", storeBuffer(w, func() {}))
	})
}

// storeBuffer says how often both sides missed the other's store. The sides go
// in step, which a busy machine makes slow, so it ends early there.
func storeBuffer(w *litmusWords, fence func()) (missed int) {
	w.x.Store(0)
	w.y.Store(0)
	began := time.Now()
	for from := uint64(1); from < litmusRounds && time.Since(began) < time.Second; from += batch {
		missed += storeBufferBatch(w, from, fence)
	}
	return missed
}

const batch = 1000

func storeBufferBatch(w *litmusWords, from uint64, fence func()) (missed int) {
	var start [2]atomic.Uint64
	var saw [2][batch]bool
	side := func(me int, mine, other *Uint64) {
		for n := range batch {
			i := from + uint64(n)
			start[me].Store(i)
			for n := 0; start[1-me].Load() < i; n++ {
				if n > 1000 {
					runtime.Gosched()
				}
			}
			mine.StoreRelease(i)
			fence()
			saw[me][n] = other.Load() >= i
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		side(1, &w.y, &w.x)
	}()
	side(0, &w.x, &w.y)
	<-done
	for i := range saw[0] {
		if !saw[0][i] && !saw[1][i] {
			missed++
		}
	}
	return missed
}

// A sequence lock with the two weak fences: a reader whose two looks at the
// sequence agree has read one writer's pair.
func TestSeqlock(t *testing.T) {
	grounds(t, func(t *testing.T, w *litmusWords) {
		const ends = 2 * litmusRounds
		done := make(chan struct{})
		go func() {
			defer close(done)
			for s := uint64(0); s < ends; s += 2 {
				w.z.StoreRelaxed(s + 1)
				StoreFence()
				w.x.StoreRelaxed(s)
				w.y.StoreRelaxed(^s)
				w.z.StoreRelease(s + 2)
			}
		}()
		for n := 0; ; n++ {
			s := w.z.Load()
			x, y := w.x.Load(), w.y.Load()
			LoadFence()
			if s%2 == 0 && s > 0 && w.z.Load() == s {
				require.Equal(t, x, ^y, "a torn pair")
				require.Equal(t, s-2, x, "another sequence's pair")
			}
			if s == ends {
				break
			}
			if n%1000 == 0 {
				runtime.Gosched()
			}
		}
		<-done
	})
}
