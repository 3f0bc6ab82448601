package shm

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/plain"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Whatever a header says, an object either holds what it says or is refused.
func FuzzCount(f *testing.F) {
	f.Add(int64(256+80), uint64(10), uint64(8))
	f.Add(int64(math.MaxInt64), uint64(math.MaxInt64/8), uint64(8))
	f.Add(int64(256), uint64(1<<61), uint64(8))
	f.Add(int64(256), uint64(0), uint64(8))
	f.Add(int64(-1), uint64(math.MaxUint64), uint64(0))
	f.Fuzz(func(t *testing.T, size int64, n, elem uint64) {
		for _, s := range []shape{arrayShape[uint64](0), arrayShape[struct{}](0), valueShape[[3]byte](), objectShape[int]()} {
			got, err := s.count(shmfile.Spec{Size: size, Sizes: [2]uint64{n, elem}})
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
				require.Zero(t, got)
				continue
			}
			require.Equal(t, n, uint64(got))
			require.Equal(t, elem, uint64(s.t.Size()))
			require.Positive(t, got)
			about := size - (int64(s.offset) + int64(got)*int64(s.stride))
			require.GreaterOrEqual(t, about, int64(0))
			require.LessOrEqual(t, about, int64(plain.MaxText))
			require.GreaterOrEqual(t, size, int64(s.offset))
		}
	})
}

func TestShapesSurviveTheHeader(t *testing.T) {
	for _, s := range []shape{arrayShape[uint64](7), arrayShape[struct{}](1 << 40), valueShape[[300]byte](), objectShape[int]()} {
		spec, err := s.spec()
		require.NoError(t, err)
		n, err := s.count(spec)
		require.NoError(t, err)
		require.Equal(t, s.n, n)
	}
	spec, err := valueShape[[300]byte]().spec()
	require.NoError(t, err)
	require.Equal(t, uint64(384+2*384), spec.About[0], "two slots, each on cache lines of its own")
}

// The bytes of a value are the table in layout.go.
func TestValueLayout(t *testing.T) {
	b := make([]byte, 384+2*128)
	w := twinAt[int64](b)
	for n, off := range []int{512, 384, 512} {
		w.store(bytesOf(&[]int64{int64(n + 1)}[0]))
		require.Equal(t, uint64(n+1), binary.LittleEndian.Uint64(b[256:]))
		require.Equal(t, uint64(n+1), binary.LittleEndian.Uint64(b[off:]))
	}
}
