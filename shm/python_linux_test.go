package shm_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

// python runs a program that uses multiprocessing.shared_memory. Until 3.13 an
// attached name is removed when Python exits, unless the tracker forgets it.
func python(t *testing.T, program string, args ...string) string {
	t.Helper()
	path := testproc.NeedTool(t, "python3")
	const preamble = `
import sys
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
def leave(s):
    resource_tracker.unregister(s._name, "shared_memory")
    s.close()
`
	out, err := exec.Command(path, append([]string{"-c", preamble + program}, args...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestPythonAttachesToOurs(t *testing.T) {
	name := newName(t)
	s := segment(t, name, 4096*3)
	copy(s.Bytes(), "from Go")
	out := python(t, `
s = SharedMemory(sys.argv[1])
print(s.size, bytes(s.buf[:7]).decode())
s.buf[4096*3-1] = 42
leave(s)
`, name)
	require.Equal(t, "12288 from Go\n", out)
	require.Equal(t, byte(42), s.Bytes()[4096*3-1])
	require.FileExists(t, shmDir+name)
}

func TestWeAttachToPythons(t *testing.T) {
	name := newName(t)
	python(t, `
s = SharedMemory(sys.argv[1], create=True, size=1000)
s.buf[:11] = b"from Python"
leave(s)
`, name)
	s := openSegment(t, name)
	require.Equal(t, 1000, s.Size(), "exactly as asked")
	require.Equal(t, "from Python", string(s.Bytes()[:11]))
	_, err := shm.OpenObject[[1000]byte](t.Context(), name, nil)
	require.ErrorIs(t, err, shm.ErrForeign)
	_, err = shm.Create(name, 1000, nil)
	require.ErrorIs(t, err, shm.ErrExist)

	copy(s.Bytes(), "from both  ")
	out := python(t, `
s = SharedMemory(sys.argv[1])
print(bytes(s.buf[:9]).decode())
s.close()
s.unlink()
`, name)
	require.Equal(t, "from both\n", out)
	require.ErrorIs(t, s.Unlink(), shm.ErrNotExist)
}
