package mem

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
)

// Mappings that have no room in the arena give their addresses back in the end: opening
// and closing may go on for ever.
func TestAddressesOutsideOfTheArenaComeBack(t *testing.T) {
	const size = 1 << 40
	testproc.Need(t, "address space for the largest arena", ShadowDistance() >= 16*size)
	fd, err := unix.MemfdCreate("shmkit-test", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "large")
	defer f.Close()
	require.NoError(t, f.Truncate(size))
	open := func() *Mapping {
		m, err := Map(f, size, Options{})
		require.NoError(t, err)
		return m
	}
	var full []*Mapping
	for placed := true; placed; { // until the arena has no room
		m := open()
		full, placed = append(full, m), m.placed
	}
	for range 300 {
		m := open()
		require.False(t, m.placed)
		b := m.Bytes()
		b[0] = 7
		require.NoError(t, m.Close())
		require.Zero(t, b[0], "a late access meets zeros")
		f.Truncate(0) // what was stored
		require.NoError(t, f.Truncate(size))
	}
	for _, m := range full {
		require.NoError(t, m.Close())
	}
}
