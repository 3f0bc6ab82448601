package mem

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCopy(t *testing.T) {
	src := make([]byte, 3<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range src {
		src[i] = byte(rng.Uint32())
	}
	for _, n := range []int{0, 1, 63, 2047, 2048, 2049, 65536, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3<<20 - 8} {
		for _, off := range []int{0, 1, 7} {
			dst := make([]byte, n+16)
			require.Equal(t, n, Copy(dst[8:8+n], src[off:off+n]))
			require.True(t, bytes.Equal(src[off:off+n], dst[8:8+n]), "%d bytes from %d", n, off)
			require.Equal(t, make([]byte, 8), dst[:8])
			require.Equal(t, make([]byte, 8), dst[8+n:])
		}
	}
	require.Equal(t, 3, Copy(make([]byte, 3), src), "as much as there is room")
	require.Equal(t, 2, Copy(make([]byte, 3), src[:2]), "as much as there is")
}
