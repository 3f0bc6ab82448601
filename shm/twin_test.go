package shm

import (
	"bytes"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/mem"
)

// heapTwin lies in the Go heap, where the race detector sees it.
func heapTwin(size int) *twin {
	n := (size + 7) / 8
	return &twin{commits: new(mem.Uint64), slots: [2][]mem.Uint64{make([]mem.Uint64, n), make([]mem.Uint64, n)}}
}

func TestTwinKeepsEverySize(t *testing.T) {
	for size := range 40 {
		w := heapTwin(size)
		for round := byte(1); round < 5; round++ {
			want := bytes.Repeat([]byte{round}, size)
			w.store(want)
			got := make([]byte, size)
			require.True(t, w.tryLoad(got))
			require.Equal(t, want, got)
			w.load(got)
			require.Equal(t, want, got)
		}
	}
}

// A store that never ends, at whatever word, leaves the old value.
func TestTwinSurvivesAnUnfinishedStore(t *testing.T) {
	w := heapTwin(16)
	for _, old := range []byte{1, 2, 3} {
		want := bytes.Repeat([]byte{old}, 16)
		w.store(want)
		for words := range 3 {
			copyIn(w.slots[(w.commits.Load()+1)%2], bytes.Repeat([]byte{99}, 8*words))
			got := make([]byte, 16)
			require.True(t, w.tryLoad(got))
			require.Equal(t, want, got)
		}
	}
}

func TestTwinLoadsAreWhole(t *testing.T) {
	w := heapTwin(100)
	w.store(make([]byte, 100))
	var done sync.WaitGroup
	for range 2 {
		done.Go(func() {
			got, last := make([]byte, 100), byte(0)
			for loads := 0; last < 200 || loads < 1000; loads++ {
				if !w.tryLoad(got) {
					continue
				}
				for _, b := range got {
					if b != got[0] {
						t.Errorf("torn: %v", got)
						return
					}
				}
				if got[0] < last {
					t.Errorf("went back from %d to %d", last, got[0])
					return
				}
				last = got[0]
			}
		})
	}
	for i := range 200 {
		for range 100 {
			w.store(bytes.Repeat([]byte{byte(i + 1)}, 100))
		}
	}
	done.Wait()
}
