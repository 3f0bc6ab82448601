package mem_test

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/mem"
)

var sink byte

// Pieces lie at their places; what was not put there faults.
func TestScratch(t *testing.T) {
	s, err := mem.NewScratch(1 << 36)
	require.NoError(t, err)
	defer s.Free()
	const far = 1<<35 + 5000
	require.NoError(t, s.Put(0, []byte("begin")))
	require.NoError(t, s.Put(far, []byte("far")))
	require.NoError(t, s.Put(far+3, []byte("ther")))
	require.Equal(t, "begin", string(s.Bytes()[:5]))
	require.Equal(t, "farther", string(s.Bytes()[far:far+7]))
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	require.Panics(t, func() { sink = s.Bytes()[1<<34] })
	require.Panics(t, func() { _ = s.Put(1<<36-1, []byte("beyond")) })
}
