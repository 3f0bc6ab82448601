package shm_test

import (
	"context"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/shm"
)

// pythonList is the start of a program that uses ShareableList, and leaves names
// alone.
const pythonList = `
from multiprocessing.shared_memory import ShareableList
mixed = ['howdy', b'HoWdY', -273.154, 100, None, True, 42]
`

// Python reads and changes what Go has created.
func TestPythonUsesOurList(t *testing.T) {
	eachList(t, func(t *testing.T, o *shm.ListOptions) {
		name := newName(t)
		l := list(t, name, o, append(mixed, "ééééééé", "", int64(-1<<63))...)
		out := python(t, pythonList+`
l = ShareableList(name=sys.argv[1])
print(list(l) == mixed + ['ééééééé', '', -2**63], len(l), l.format)
l[0] = 'from Py'
l[1] = 'a str'
l[2] = 2
l[3] = 0.5
l[4] = b'byte'
l[5] = False
l[6] = None
l[7] = 16 * 'x'
l[8] = True
leave(l.shm)
`, name)
		require.Equal(t, "True 10 "+mixedFormat+"16s8sq\n", out) // M22
		require.Equal(t, []any{"from Py", "a str", int64(2), 0.5, []byte("byte"), false, nil, "xxxxxxxxxxxxxxxx", true, int64(-1 << 63)}, items(t, l))

		for i, v := range []any{nil, []byte("Go"), "str", true, int64(8), 0.25, "encodés", int64(1), nil} {
			require.NoError(t, l.Set(i, v)) // M23, M24
		}
		out = python(t, pythonList+`
l = ShareableList(name=sys.argv[1])
print(list(l), l.format, l.index(8), l.count(None))
leave(l.shm)
`, name)
		require.Equal(t, "[None, b'Go', 'str', True, 8, 0.25, 'encodés', 1, None, -9223372036854775808] "+
			"xxxxxx?x8s8sxxxxxxx?qd8sqxxxxxx?xq 4 2\n", out)
	})
}

// Go reads and changes what Python has created.
func TestWeUsePythonsList(t *testing.T) {
	name := newName(t)
	python(t, pythonList+`
l = ShareableList(mixed + ['abcdefgh', 16 * b'y', '', 'aéééééé'], name=sys.argv[1])
leave(l.shm)
`, name)
	l := openList(t, name, nil)
	require.False(t, l.Locked())
	require.Equal(t, 11, l.Len())
	for i, want := range append(mixed, "abcdefgh", []byte("yyyyyyyyyyyyyyyy"), "") {
		v, err := l.At(i)
		require.NoError(t, err)
		require.Equal(t, want, v)
	}
	_, err := l.At(10)
	require.ErrorIs(t, err, shm.ErrCorrupt, "W-12: Python cut the last character in two")
	require.NoError(t, l.Set(10, "ééé"))
	format, err := l.Format()
	require.NoError(t, err)
	require.Equal(t, mixedFormat+"16s24s8s8s", format)

	require.ErrorIs(t, l.Set(0, "too long for it"), shm.ErrTooLong)
	require.NoError(t, l.Set(0, int64(1)))
	require.NoError(t, l.Set(4, "encodés"))
	require.NoError(t, l.Set(7, []byte("sixteen bytes in")))
	require.NoError(t, l.Set(8, nil))
	out := python(t, pythonList+`
l = ShareableList(name=sys.argv[1])
print(list(l), l.format)
l.shm.close()
l.shm.unlink()
`, name)
	require.Equal(t, "[1, b'HoWdY', -273.154, 100, 'encodés', True, 42, b'sixteen bytes in', None, '', 'ééé'] "+
		"q8sdq8sxxxxxxx?q16sxxxxxx?x8s8s\n", out)
}

// The same items make the same file on both sides.
func TestListIsByteForBytePythons(t *testing.T) {
	for _, c := range []struct {
		python string
		items  []any
	}{
		{"mixed", mixed}, // M22
		{"[]", nil},      // M27
		{"['', b'', 7*'x', 8*'x', 9*'x', -1, 2**63-1, 0.0, float('inf'), False]",
			[]any{"", []byte{}, "xxxxxxx", "xxxxxxxx", "xxxxxxxxx", -1, int64(1<<63 - 1), 0.0, math.Inf(1), false}},
		{"[]", []any{}},
		{"[None] * 1000", make([]any, 1000)},
	} {
		name := newName(t)
		python(t, pythonList+"l = ShareableList("+c.python+", name=sys.argv[1]); leave(l.shm)", name)
		want, err := os.ReadFile(shmDir + name)
		require.NoError(t, err)
		require.Equal(t, want, listBytes(t, nil, c.items...), c.python)
	}
}

// Who waits for a list that Python creates gets all of it.
func TestListIsWaitedFor(t *testing.T) {
	name := newName(t)
	whole := listBytes(t, nil, mixed...)
	f, err := os.OpenFile(shmDir+name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(int64(len(whole)))) // as far as Python has come
	_, err = shm.OpenShareableList(t.Context(), name, nil)
	require.ErrorIs(t, err, shm.ErrCorrupt)
	ended, end := context.WithCancel(t.Context())
	end()
	_, err = shm.OpenShareableList(ended, name, &shm.OpenOptions{Wait: true})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, shm.ErrCorrupt)

	opened := make(chan *shm.ShareableList)
	go func() {
		l, err := shm.OpenShareableList(t.Context(), name, &shm.OpenOptions{Wait: true})
		if err != nil {
			t.Error(err)
		}
		opened <- l
	}()
	for _, part := range [][2]int{{0, 8}, {8, 72}, {72, 128}, {128, 184}, {184, 188}, {188, 191}} {
		_, err = shm.OpenShareableList(ended, name, &shm.OpenOptions{Wait: true})
		require.ErrorIs(t, err, context.Canceled, "before %v", part)
		require.ErrorIs(t, err, shm.ErrCorrupt)
		_, err = f.WriteAt(whole[part[0]:part[1]], int64(part[0]))
		require.NoError(t, err)
	}
	l := <-opened
	require.NotNil(t, l)
	require.Equal(t, mixed, items(t, l))
	require.NoError(t, l.Close())
}
