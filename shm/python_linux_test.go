package shm_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

// python runs a program that uses multiprocessing.shared_memory, see pythonAt.
func python(t *testing.T, program string, args ...string) string {
	t.Helper()
	return pythonAt(t, testproc.NeedTool(t, "python3"), program, args...)
}

// pythonAt runs a program that uses multiprocessing.shared_memory. Until 3.13 an
// attached name is removed when Python exits, unless the tracker forgets it.
func pythonAt(t *testing.T, path, program string, args ...string) string {
	t.Helper()
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

// forget keeps Python's resource tracker out: before 3.13.14 it could not even be
// told of a name with a newline.
const forget = `
resource_tracker.register = resource_tracker.unregister = lambda *a: None
`

// oddNames are what names may be besides letters and figures; M29.
var oddNames = []string{"", ":a:b:", "\nsecond line", " ", "äöü", "..", strings.Repeat("x", 255)}

// The same files in both directions: names, modes, sizes, contents.
func TestEveryPython(t *testing.T) {
	for _, path := range testproc.Pythons(t) {
		version := strings.TrimSpace(pythonAt(t, path, "print(sys.version.split()[0])"))
		t.Run(version, func(t *testing.T) {
			var args []string
			for _, odd := range oddNames {
				for _, size := range []int{1, 512, 5000} {
					name := newName(t)
					name += odd[:min(len(odd), 255-len(name))]
					t.Cleanup(func() { os.Remove(shmDir + name) })
					args = append(args, name, itoa(size))
				}
			}
			t.Run("Python's", func(t *testing.T) { pythonCreates(t, path, args) })
			t.Run("ours", func(t *testing.T) { pythonAttaches(t, path, args) })
			t.Run("refused", func(t *testing.T) { pythonRefuses(t, path) })
		})
	}
}

func pythonCreates(t *testing.T, path string, args []string) {
	pythonAt(t, path, forget+`
for name, size in zip(sys.argv[1::2], sys.argv[2::2]):
    s = SharedMemory(name, create=True, size=int(size))
    s.buf[int(size)-1] = 7
    s.close()
`, args...)
	for i := 0; i < len(args); i += 2 {
		name, size := args[i], args[i+1]
		var theirs, ours unix.Stat_t
		require.NoError(t, unix.Stat(shmDir+name, &theirs))
		s := openSegment(t, name)
		require.Equal(t, size, itoa(s.Size()))
		require.Equal(t, byte(7), s.Bytes()[s.Size()-1]) // M02
		_, err := shm.Create(name, 1, nil)
		require.ErrorIs(t, err, shm.ErrExist)                                                      // M07
		other := must[*shm.Segment](t)(shm.Create(name, 9999, &shm.Options{Exist: shm.ExistOpen})) // M08
		require.Equal(t, s.Size(), other.Size())
		require.NoError(t, s.Unlink())

		require.NoError(t, unix.Stat(shmDir+segment(t, name, s.Size()).Name(), &ours))
		require.Equal(t, [4]int64{int64(theirs.Mode), theirs.Size, int64(theirs.Uid), int64(theirs.Gid)},
			[4]int64{int64(ours.Mode), ours.Size, int64(ours.Uid), int64(ours.Gid)})
		require.NoError(t, shm.Unlink(name))
	}
}

func pythonAttaches(t *testing.T, path string, args []string) {
	var all []*shm.Segment
	for i := 0; i < len(args); i += 2 {
		size, err := strconv.Atoi(args[i+1])
		require.NoError(t, err)
		s := segment(t, args[i], size)
		s.Bytes()[0] = 9
		all = append(all, s)
	}
	pythonAt(t, path, forget+`
for name, size in zip(sys.argv[1::2], sys.argv[2::2]):
    try: SharedMemory(name, create=True, size=5)
    except FileExistsError: pass
    else: raise Exception("created what is there")
    s = SharedMemory(name, size=99999)
    assert s.size == int(size) and s.buf[0] == 9 and s.name == name, (s.size, s.name)
    s.buf[s.size-1] = 11
    s.close()
    s.unlink()
`, args...) // M01, M03
	for _, s := range all {
		require.Equal(t, byte(11), s.Bytes()[s.Size()-1])
		require.ErrorIs(t, s.Unlink(), shm.ErrNotExist) // M06
	}
}

// What Python refuses, we do; see TestSegmentArguments. M04, M09, M10, R05.
func pythonRefuses(t *testing.T, path string) {
	out := pythonAt(t, path, forget+`
def refusal(*args, **kw):
    try: SharedMemory(*args, **kw)
    except Exception as e: print(type(e).__name__)
    else: print("none")
refusal(sys.argv[1])
refusal(sys.argv[1] + 256*"x", create=True, size=1)
for size in 0, -1, -2: refusal(sys.argv[1], create=True, size=size)
`, newName(t))
	require.Equal(t, "FileNotFoundError\nOSError\nValueError\nValueError\nValueError\n", out)
}
