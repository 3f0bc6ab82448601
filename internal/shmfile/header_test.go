package shmfile_test

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/shmfile"
)

func newHeader(t testing.TB) ([]byte, shmfile.Spec) {
	t.Helper()
	spec := shmfile.Spec{Kind: shmfile.KindRing, Fingerprint: 0x1122334455667788, Size: 4096, Sizes: [2]uint64{7, 9}, About: [2]uint64{4000, 96}}
	b, err := shmfile.NewHeader(spec)
	require.NoError(t, err)
	spec.Namespace, err = shmfile.Namespace()
	require.NoError(t, err)
	return b, spec
}

func TestHeaderKeepsItsBytes(t *testing.T) {
	b, spec := newHeader(t)
	require.Len(t, b, shmfile.HeaderSize)
	le := binary.LittleEndian
	require.Equal(t, "shmkit\r\n", string(b[:8]))
	require.Equal(t, uint32(shmfile.Version), le.Uint32(b[8:]))
	require.Equal(t, uint32(4), le.Uint32(b[12:]), "a ring")
	require.Equal(t, spec.Fingerprint, le.Uint64(b[16:]))
	require.Equal(t, uint64(4096), le.Uint64(b[24:]))
	require.Equal(t, uint64(7), le.Uint64(b[32:]))
	require.Equal(t, uint64(9), le.Uint64(b[40:]))
	require.Equal(t, spec.Namespace, le.Uint64(b[48:]))
	require.NotEqual(t, make([]byte, 16), b[56:72])
	require.Equal(t, uint64(os.Getpid()), le.Uint64(b[72:]))
	require.NotZero(t, le.Uint64(b[80:]))
	require.Equal(t, make([]byte, 8), b[88:96])
	require.Equal(t, uint64(4000), le.Uint64(b[96:]))
	require.Equal(t, uint64(96), le.Uint64(b[104:]))
	require.Equal(t, make([]byte, 16), b[112:])
}

func TestHeaderComesBack(t *testing.T) {
	b, want := newHeader(t)
	got, err := shmfile.Check(b, want)
	require.NoError(t, err)
	require.NotEqual(t, [16]byte{}, got.ID)
	require.Equal(t, uint64(os.Getpid()), got.Creator)
	want.ID, want.Creator, want.Started, want.Version = got.ID, got.Creator, got.Started, shmfile.Version
	require.Equal(t, want, got)

	again, _ := newHeader(t)
	other, err := shmfile.Check(again, want)
	require.NoError(t, err)
	require.NotEqual(t, got.ID, other.ID, "an id belongs to one object")
}

func TestEachFieldHasItsOwnError(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(b []byte) []byte
		want error
	}{
		{"zero length", func(b []byte) []byte { return nil }, shmfile.ErrTruncated},
		{"cut in the header", func(b []byte) []byte { return b[:127] }, shmfile.ErrTruncated},
		{"all zero", func(b []byte) []byte { return make([]byte, len(b)) }, shmfile.ErrForeign},
		{"foreign", func(b []byte) []byte { return append([]byte("GIF89a"), b[6:]...) }, shmfile.ErrForeign},
		{"newer", func(b []byte) []byte { b[8]++; return b }, shmfile.ErrVersion},
		{"older", func(b []byte) []byte { b[8]--; return b }, shmfile.ErrVersion},
		{"another kind", func(b []byte) []byte { b[12] = byte(shmfile.KindArray); return b }, shmfile.ErrKind},
		{"no kind", func(b []byte) []byte { b[15] = 0xff; return b }, shmfile.ErrKind},
		{"another type", func(b []byte) []byte { b[16]++; return b }, shmfile.ErrLayout},
		{"more than there is", func(b []byte) []byte { b[26]++; return b }, shmfile.ErrTruncated},
		{"less than there is", func(b []byte) []byte { b[25]--; return b }, shmfile.ErrCorrupt},
		{"a negative size", func(b []byte) []byte { b[31] = 0x80; return b }, shmfile.ErrCorrupt},
		{"another pid namespace", func(b []byte) []byte { b[48]++; return b }, shmfile.ErrForeignNamespace},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, want := newHeader(t)
			_, err := shmfile.Check(c.edit(b), want)
			require.ErrorIs(t, err, c.want)
		})
	}
}

func FuzzCheck(f *testing.F) {
	b, want := newHeader(f)
	f.Add(b)
	f.Add([]byte{})
	f.Add(b[:64])
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := shmfile.Check(b, want)
		if err != nil {
			return
		}
		want.Version, want.Sizes, want.ID, want.Creator, want.Started, want.About = shmfile.Version, s.Sizes, s.ID, s.Creator, s.Started, s.About // these say what they like
		require.Equal(t, want, s)
	})
}

func TestKindHasAName(t *testing.T) {
	require.Equal(t, "ring", shmfile.KindRing.String())
	require.Equal(t, "kind 0", shmfile.Kind(0).String())
	require.Equal(t, "kind 4294967295", shmfile.Kind(1<<32-1).String())
}

func FuzzRead(f *testing.F) {
	b, want := newHeader(f)
	f.Add(b, want.Size)
	f.Add(b, int64(-1))
	f.Add(b[:100], want.Size)
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		s, err := shmfile.Read(b, size)
		if err == nil {
			require.Equal(t, size, s.Size)
			require.Equal(t, "shmkit\r\n", string(b[:8]))
		}
	})
}
