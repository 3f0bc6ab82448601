package mem

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestUint32(t *testing.T) {
	var w struct{ before, word, after Uint32 }
	w.before.Store(0x11111111)
	w.after.Store(0x22222222)
	require.Zero(t, w.word.Load())
	w.word.Store(0xffffffff)
	require.EqualValues(t, 0xffffffff, w.word.Load())
	w.word.StoreRelease(0x80000001)
	require.EqualValues(t, 0x80000001, w.word.Load())
	require.EqualValues(t, 0x80000001, w.word.Swap(7))
	require.False(t, w.word.CompareAndSwap(6, 8))
	require.EqualValues(t, 7, w.word.Load())
	require.True(t, w.word.CompareAndSwap(7, 8))
	require.EqualValues(t, 7, w.word.Add(^uint32(0)))
	require.EqualValues(t, 0x11111111, w.before.Load(), "the word in front has changed")
	require.EqualValues(t, 0x22222222, w.after.Load(), "the word behind has changed")
}

func TestUint64(t *testing.T) {
	var w struct{ before, word, after Uint64 }
	w.before.Store(0x1111111111111111)
	w.after.Store(0x2222222222222222)
	require.Zero(t, w.word.Load())
	w.word.Store(1<<64 - 1)
	require.EqualValues(t, uint64(1<<64-1), w.word.Load())
	w.word.StoreRelease(0x8000000000000001)
	require.EqualValues(t, uint64(0x8000000000000001), w.word.Load())
	w.word.StoreRelaxed(0x4000000000000001)
	require.EqualValues(t, uint64(0x4000000000000001), w.word.Load())
	require.EqualValues(t, uint64(0x4000000000000001), w.word.Swap(7))
	require.False(t, w.word.CompareAndSwap(6, 8))
	require.EqualValues(t, 7, w.word.Load())
	require.True(t, w.word.CompareAndSwap(7, 8))
	require.EqualValues(t, 7, w.word.Add(^uint64(0)))
	require.EqualValues(t, uint64(0x1111111111111111), w.before.Load(), "the word in front has changed")
	require.EqualValues(t, uint64(0x2222222222222222), w.after.Load(), "the word behind has changed")
}

// Words lie in shared memory at places that other languages compute.
func TestWordsAreAsLargeAsTheirBits(t *testing.T) {
	require.EqualValues(t, 4, unsafe.Sizeof(Uint32{}))
	require.EqualValues(t, 8, unsafe.Sizeof(Uint64{}))
	require.EqualValues(t, 4, unsafe.Alignof(Uint32{}))
	require.EqualValues(t, 8, unsafe.Alignof(Uint64{}))
}

func TestPauseReturns(t *testing.T) {
	for _, n := range []uint32{0, 1, 1000} {
		Pause(n)
	}
}

func BenchmarkStore(b *testing.B) {
	var w Uint64
	for b.Loop() {
		w.Store(1)
	}
}

func BenchmarkStoreRelease(b *testing.B) {
	var w Uint64
	for b.Loop() {
		w.StoreRelease(1)
	}
}

func BenchmarkFence(b *testing.B) {
	for b.Loop() {
		Fence()
	}
}
