//go:build explore

package shm

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/explore"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/semaphore"
)

// twinModel is writers that each add one to both words of a value, and a reader
// that takes no lock. Nobody may ever see two words that differ.
func twinModel(writers, loads, deaths, secondSlot int) explore.Model {
	return explore.Model{Memory: 128, Deaths: deaths, Setup: func(w *explore.World) {
		w.Robust(explore.At[mem.Uint32](w, 0))
		mutex := explore.At[semaphore.Mutex](w, 0)
		value := twin{explore.At[mem.Uint64](w, 64), [2][]mem.Uint64{
			explore.At[[2]mem.Uint64](w, 72)[:],
			explore.At[[2]mem.Uint64](w, secondSlot)[:],
		}}
		whole := func(b []byte) (uint64, error) {
			x, y := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
			if x != y {
				return 0, fmt.Errorf("torn: %d, %d", x, y)
			}
			return x, nil
		}
		for range writers {
			w.Go(func(p *explore.Proc) {
				if err := mutex.LockRepair(context.Background(), func() error { return nil }); err != nil {
					p.Fail("lock: %v", err)
				}
				b := make([]byte, 16)
				value.load(b)
				n, err := whole(b)
				if err != nil {
					p.Fail("writer: %v", err)
				}
				binary.LittleEndian.PutUint64(b, n+1)
				binary.LittleEndian.PutUint64(b[8:], n+1)
				value.store(b)
				mutex.Unlock()
			})
		}
		w.Go(func(p *explore.Proc) {
			b, last := make([]byte, 16), uint64(0)
			for range loads {
				if !value.tryLoad(b) {
					continue
				}
				n, err := whole(b)
				if err != nil || n < last {
					p.Fail("reader: %d after %d, %v", n, last, err)
				}
				last = n
			}
		})
		w.Final = func() error {
			b := make([]byte, 16)
			value.load(b)
			n, err := whole(b)
			if err == nil && w.Deaths() == 0 && n != uint64(writers) {
				err = fmt.Errorf("%d updates left %d", writers, n)
			}
			return err
		}
	}}
}

func TestTwinModel(t *testing.T) {
	for _, c := range []struct{ writers, loads, deaths int }{
		{1, 3, 0}, {1, 3, 1}, {2, 1, 0}, {2, 1, 1}, {2, 2, 0},
	} {
		t.Run(fmt.Sprintf("%d writers, %d loads, %d deaths", c.writers, c.loads, c.deaths), func(t *testing.T) {
			report := explore.Run(twinModel(c.writers, c.loads, c.deaths, 88))
			t.Log(report)
			if report.Violation != nil {
				t.Fatal(report.Violation)
			}
		})
	}
}

// The model can fail: with one slot in the place of two, readers see halves.
func TestTwinModelSeesTornValues(t *testing.T) {
	report := explore.Run(twinModel(1, 1, 0, 72))
	if report.Violation == nil {
		t.Fatal("nothing torn in ", report)
	}
}
