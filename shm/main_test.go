package shm_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

func TestMain(m *testing.M) { testproc.Main(m) }

const shmDir = "/dev/shm/"

// newName returns a name that is removed after the test.
func newName(t testing.TB) string {
	t.Helper()
	name := testproc.Name(t)
	t.Cleanup(func() { os.Remove(shmDir + name) })
	return name
}

// must passes on a handle that is closed after the test.
func must[H interface{ Close() error }](t testing.TB) func(H, error) H {
	return func(h H, err error) H {
		t.Helper()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, h.Close()) })
		return h
	}
}

func segment(t testing.TB, name string, size int) *shm.Segment {
	t.Helper()
	return must[*shm.Segment](t)(shm.Create(name, size, nil))
}

func openSegment(t testing.TB, name string) *shm.Segment {
	t.Helper()
	return must[*shm.Segment](t)(shm.Open(t.Context(), name, nil))
}
