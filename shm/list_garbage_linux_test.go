package shm_test

import (
	"context"
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

// listBytes is the file of a list with these items.
func listBytes(t testing.TB, o *shm.ListOptions, items ...any) []byte {
	t.Helper()
	name := newName(t)
	l, err := shm.NewShareableList(name, o, items...)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	b, err := os.ReadFile(shmDir + name)
	require.NoError(t, err)
	require.NoError(t, shm.Unlink(name))
	return b
}

func put64(off int, v int64) func([]byte) []byte {
	return func(b []byte) []byte { binary.LittleEndian.PutUint64(b[off:], uint64(v)); return b }
}

func putText(off int, s string) func([]byte) []byte {
	return func(b []byte) []byte { copy(b[off:], s); return b }
}

// The list has its slots at 72, its formats at 128 and its codes at 184, and ends
// at 191.
func TestBadLists(t *testing.T) {
	eachList(t, func(t *testing.T, o *shm.ListOptions) {
		for _, c := range []struct {
			name string
			edit func(b []byte) []byte
			open error // of opening, or
			item error // of reading item 1
		}{
			{"zero length", func(b []byte) []byte { return nil }, shm.ErrTruncated, nil},
			{"8 bytes", func(b []byte) []byte { return b[:8] }, shm.ErrTruncated, nil},
			{"truncated in the offsets", func(b []byte) []byte { return b[:60] }, shm.ErrTruncated, nil},
			{"truncated in the codes", func(b []byte) []byte { return b[:190] }, shm.ErrTruncated, nil},
			{"too long", func(b []byte) []byte { return append(b, 0) }, shm.ErrCorrupt, nil},
			{"all zero", func(b []byte) []byte { return make([]byte, 191) }, shm.ErrCorrupt, nil},
			{"-1 items", put64(0, -1), shm.ErrCorrupt, nil},
			{"2^62 items", put64(0, 1<<62), shm.ErrCorrupt, nil},
			{"2^30 items", put64(0, 1<<30), shm.ErrTruncated, nil},
			{"no offset 0", put64(8, 8), shm.ErrCorrupt, nil},
			{"slots of -8 bytes", put64(64, -8), shm.ErrCorrupt, nil},
			{"slots of 2^62 bytes", put64(64, 1<<62), shm.ErrCorrupt, nil},
			{"slots of 2^30 bytes", put64(64, 1<<30), shm.ErrTruncated, nil},
			{"slots of 57 bytes", put64(64, 57), shm.ErrCorrupt, nil},
			{"not filled", put64(128+48, 0), shm.ErrCorrupt, nil},

			{"a slot of -8 bytes", put64(24, 0), nil, shm.ErrCorrupt},
			{"a slot behind the end", put64(24, 1<<40), nil, shm.ErrCorrupt},
			{"a slot before the start", put64(16, -8), nil, shm.ErrCorrupt},
			{"a slot between words", put64(16, 9), nil, shm.ErrCorrupt},
			{"a slot of no bytes", put64(16, 16), nil, shm.ErrCorrupt},
			{"no format", put64(136, 0), nil, shm.ErrCorrupt},
			{"a long format", putText(136, "9999999s"), nil, shm.ErrCorrupt},
			{"a longer format", putText(136, "99999999"), nil, shm.ErrCorrupt},
			{"a format with a sign", putText(136, "+8s"), nil, shm.ErrCorrupt},
			{"a format with a zero", putText(136, "08s"), nil, shm.ErrCorrupt},
			{"a format of no number", putText(136, "s\x00"), nil, shm.ErrCorrupt},
			{"a number's format", putText(136, "q\x00"), nil, shm.ErrCorrupt},
			{"a number's code", putText(185, "\x00"), nil, shm.ErrCorrupt},
			{"nil's code", putText(185, "\x03"), nil, shm.ErrCorrupt},
			{"a strange code", putText(185, "\x80"), nil, shm.ErrCorrupt},
			{"not UTF-8", func(b []byte) []byte { b[185] = 1; b[80] = 0xff; return b }, nil, shm.ErrCorrupt},
		} {
			t.Run(c.name, func(t *testing.T) {
				name := newName(t)
				require.NoError(t, os.WriteFile(shmDir+name, c.edit(listBytes(t, o, mixed...)), 0o600))
				l, err := shm.OpenShareableList(t.Context(), name, nil)
				require.FileExists(t, shmDir+name)
				if c.open != nil {
					require.ErrorIs(t, err, c.open)
					_, err = shm.NewShareableList(name, &shm.ListOptions{Exist: shm.ExistOpen})
					require.ErrorIs(t, err, c.open)
					return
				}
				require.NoError(t, err)
				_, err = l.At(1)
				require.ErrorIs(t, err, c.item)
				require.ErrorContains(t, err, "item 1")
				_, err = l.Items()
				require.ErrorIs(t, err, c.item)
				require.Contains(t, l.String(), "?")
				n := 0
				for _, err := range l.All() {
					if err == nil {
						n++
					}
				}
				require.GreaterOrEqual(t, n, 4, "the others can be read")
				require.NoError(t, l.Close())
			})
		}
	})
}

// What is no list at all is refused, and a list is nothing else.
func TestListsAndOthers(t *testing.T) {
	eachList(t, func(t *testing.T, o *shm.ListOptions) {
		for _, k := range kinds {
			name := newName(t)
			must[closer](t)(k.create(name, nil))
			_, err := shm.OpenShareableList(t.Context(), name, nil)
			require.ErrorIs(t, err, shm.ErrCorrupt, k.name)

			name = newName(t)
			list(t, name, o, make([]any, 1000)...)
			_, err = k.open(t.Context(), name, nil)
			require.ErrorIs(t, err, shm.ErrForeign, k.name)
		}
	})
}

// The trailer of that list begins at 256: the lock at 384, pending at 512.
func TestBadListTrailers(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(b []byte) []byte
		open error
		item error
	}{
		{"truncated", func(b []byte) []byte { return b[:len(b)-1] }, shm.ErrTruncated, nil},
		{"another size", put64(264, 1000), shm.ErrTruncated, nil},
		{"a smaller size", put64(264, 100), shm.ErrCorrupt, nil},
		{"another magic", put64(256, 100), shm.ErrCorrupt, nil},
		{"another pid namespace", put64(272, 100), shm.ErrForeignNamespace, nil},
		{"without", func(b []byte) []byte { return b[:191] }, nil, nil},
		{"pending item 8", put64(512, 8), nil, shm.ErrCorrupt},
		{"pending item 2^63", put64(512, -1), nil, shm.ErrCorrupt},
		{"pending without a format", put64(512, 1), nil, shm.ErrCorrupt},
		{"pending text that is too long", func(b []byte) []byte {
			return put64(536, 9)(put64(528, 1)(putText(520, "8s")(put64(512, 1)(b))))
		}, nil, shm.ErrCorrupt},
		{"pending int of 7 bytes", func(b []byte) []byte {
			return put64(536, 7)(putText(520, "q")(put64(512, 1)(b)))
		}, nil, shm.ErrCorrupt},
		{"pending code 256", func(b []byte) []byte {
			return put64(536, 8)(put64(528, 256)(putText(520, "q")(put64(512, 1)(b))))
		}, nil, shm.ErrCorrupt},
		{"pending in a bad slot", func(b []byte) []byte {
			return put64(24, 0)(put64(512, 2)(b))
		}, nil, shm.ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := newName(t)
			require.NoError(t, os.WriteFile(shmDir+name, c.edit(listBytes(t, &shm.ListOptions{Locked: true}, mixed...)), 0o600))
			l, err := shm.OpenShareableList(t.Context(), name, nil)
			require.ErrorIs(t, err, c.open)
			if err != nil {
				return
			}
			_, err = l.At(0)
			require.ErrorIs(t, err, c.item)
			require.ErrorIs(t, l.Set(0, "x"), c.item)
			require.NoError(t, l.Close())
		})
	}
}

// Whoever truncates the file of an attached list gets no process killed.
func TestListTruncated(t *testing.T) {
	eachList(t, func(t *testing.T, o *shm.ListOptions) {
		name := newName(t)
		l := list(t, name, o, mixed...)
		require.NoError(t, os.Truncate(shmDir+name, 0))
		_, err := l.At(0)
		require.ErrorIs(t, err, shm.ErrTruncated)
		require.ErrorIs(t, l.Set(0, "x"), shm.ErrTruncated)
		_, err = l.Items()
		require.ErrorIs(t, err, shm.ErrTruncated)
		_, err = l.Format()
		require.ErrorIs(t, err, shm.ErrTruncated)
		_, err = l.Count(1)
		require.ErrorIs(t, err, shm.ErrTruncated)
		require.ErrorIs(t, l.Update(t.Context(), 0, func(v any) (any, error) { return v, nil }), shm.ErrTruncated)
		_ = l.String()
	})
}

// Whatever is in the file: no panic, no fault, no endless loop.
func FuzzShareableList(f *testing.F) {
	for _, o := range []*shm.ListOptions{nil, {Locked: true}} {
		f.Add(listBytes(f, o, mixed...), "x")
		f.Add(listBytes(f, o), "")
		f.Add(put64(512, 1)(append(listBytes(f, o, mixed...), make([]byte, 600)...)), "abc")
	}
	f.Add(make([]byte, 191), "x")
	name := testproc.Name(f)
	f.Fuzz(func(t *testing.T, b []byte, v string) {
		defer os.Remove(shmDir + name)
		require.NoError(t, os.WriteFile(shmDir+name, b, 0o600))
		l, err := shm.OpenShareableList(t.Context(), name, nil)
		if err != nil {
			return
		}
		ended, end := context.WithCancel(t.Context())
		end()
		_ = l.String()
		if l.Locked() {
			// A lock that seems to be held is waited for as long as ctx lets it.
			if err := l.Update(ended, 0, func(v any) (any, error) { return v, nil }); err != nil {
				require.NoError(t, l.Close())
				return
			}
		}
		for i := range min(l.Len(), 10) {
			old, err := l.At(i)
			if e := l.Set(i, v); e == nil {
				got, err := l.At(i)
				require.NoError(t, err)
				require.Equal(t, v, got)
			}
			if err == nil {
				_ = l.Set(i, old)
			}
		}
		_, _ = l.Items()
		_, _ = l.Format()
		_, _ = l.Count(v)
		require.NoError(t, l.Close())
	})
}
