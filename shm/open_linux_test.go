package shm_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

func itoa(n int) string { return strconv.Itoa(n) }

// closer is what the constructors and openers of all kinds return.
type closer interface{ Close() error }

// kinds has one constructor and opener of each kind that has a header.
var kinds = []struct {
	name   string
	create func(name string, o *shm.Options) (closer, error)
	open   func(ctx context.Context, name string, o *shm.OpenOptions) (closer, error)
}{
	{"object",
		func(name string, o *shm.Options) (closer, error) { return shm.NewObject[[4]int64](name, o) },
		func(ctx context.Context, name string, o *shm.OpenOptions) (closer, error) {
			return shm.OpenObject[[4]int64](ctx, name, o)
		}},
	{"value",
		func(name string, o *shm.Options) (closer, error) { return shm.NewValue(name, [4]int64{}, o) },
		func(ctx context.Context, name string, o *shm.OpenOptions) (closer, error) {
			return shm.OpenValue[[4]int64](ctx, name, o)
		}},
	{"array",
		func(name string, o *shm.Options) (closer, error) { return shm.NewArray[[4]int64](name, 10, o) },
		func(ctx context.Context, name string, o *shm.OpenOptions) (closer, error) {
			return shm.OpenArray[[4]int64](ctx, name, o)
		}},
}

func TestWrongFiles(t *testing.T) {
	foreign := make([]byte, 8192)
	copy(foreign, "\x7fELF")
	for _, k := range kinds {
		for _, c := range []struct {
			name string
			edit func(b []byte) []byte
			want error
		}{
			{"zero length", func(b []byte) []byte { return nil }, shm.ErrTruncated},
			{"truncated in the header", func(b []byte) []byte { return b[:100] }, shm.ErrTruncated},
			{"truncated after it", func(b []byte) []byte { return b[:len(b)-1] }, shm.ErrTruncated},
			{"foreign", func(b []byte) []byte { return foreign }, shm.ErrForeign},
			{"all zero", func(b []byte) []byte { return make([]byte, len(b)) }, shm.ErrForeign},
			{"newer", func(b []byte) []byte { b[8]++; return b }, shm.ErrVersion},
			{"another kind", func(b []byte) []byte { b[12] ^= 7; return b }, shm.ErrKind},
			{"another type", func(b []byte) []byte { b[16]++; return b }, shm.ErrLayout},
			{"another pid namespace", func(b []byte) []byte { b[48]++; return b }, shm.ErrForeignNamespace},
			{"longer than it says", func(b []byte) []byte { return append(b, 0) }, shm.ErrCorrupt},
			{"no elements", func(b []byte) []byte { clear(b[32:40]); return b }, shm.ErrCorrupt},
			{"more elements", func(b []byte) []byte { b[32]++; return b }, shm.ErrCorrupt},
			{"2^63 elements", func(b []byte) []byte { b[39] = 0x80; return b }, shm.ErrCorrupt},
			{"elements of size 0", func(b []byte) []byte { clear(b[40:48]); return b }, shm.ErrCorrupt},
			{"huge elements", func(b []byte) []byte { b[47] = 0xff; return b }, shm.ErrCorrupt},
		} {
			t.Run(k.name+"/"+c.name, func(t *testing.T) {
				name := newName(t)
				h, err := k.create(name, nil)
				require.NoError(t, err)
				require.NoError(t, h.Close())
				b, err := os.ReadFile(shmDir + name)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(shmDir+name, c.edit(b), 0o600))

				_, err = k.open(t.Context(), name, nil)
				require.ErrorIs(t, err, c.want)
				_, err = k.open(t.Context(), name, &shm.OpenOptions{ReadOnly: true})
				require.ErrorIs(t, err, c.want)
				_, err = k.create(name, &shm.Options{Exist: shm.ExistOpen})
				require.ErrorIs(t, err, c.want)
				require.FileExists(t, shmDir+name, "X08: a failed attach does not unlink")
			})
		}
	}
}

func TestConstructorsAgree(t *testing.T) {
	for i, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			name := newName(t)
			_, err := k.open(t.Context(), name, nil)
			require.ErrorIs(t, err, shm.ErrNotExist) // M09
			ended, end := context.WithCancel(t.Context())
			end()
			_, err = k.open(ended, name, &shm.OpenOptions{Wait: true})
			require.ErrorIs(t, err, context.Canceled)
			_, err = k.open(t.Context(), "a/b", nil)
			require.ErrorIs(t, err, shm.ErrName)
			_, err = k.create("a/b", nil)
			require.ErrorIs(t, err, shm.ErrName)

			first := must[closer](t)(k.create(name, nil))
			_, err = k.create(name, nil)
			require.ErrorIs(t, err, shm.ErrExist) // M07
			_, err = k.create(name, &shm.Options{Exist: shm.ExistReplace})
			require.ErrorIs(t, err, shm.ErrBusy)
			second := must[closer](t)(k.create(name, &shm.Options{Exist: shm.ExistOpen})) // M08
			_, err = kinds[(i+1)%len(kinds)].open(t.Context(), name, nil)
			require.ErrorIs(t, err, shm.ErrKind)

			require.NoError(t, first.Close())
			require.NoError(t, second.Close())
			must[closer](t)(k.create(name, &shm.Options{Exist: shm.ExistReplace}))
			require.NoError(t, shm.Unlink(name))
			require.ErrorIs(t, shm.Unlink(name), shm.ErrNotExist) // M06
			must[closer](t)(k.create("", nil))
		})
	}
}

var _ = testproc.Helper("another pid namespace", func(c *testproc.Child) {
	for i, k := range kinds {
		_, err := k.open(context.Background(), c.Args[i], nil)
		require.ErrorIs(c, err, shm.ErrForeignNamespace)
	}
	s, err := shm.Open(context.Background(), c.Args[0], nil)
	require.NoError(c, err, "raw memory belongs to no namespace")
	require.NoError(c, s.Close())
	c.WriteLine("refused")
})

func TestAnotherPidNamespace(t *testing.T) {
	unshare := testproc.NeedTool(t, "unshare")
	args := []string{"--pid", "--fork", "--mount-proc"}
	testproc.Need(t, "the right to make a pid namespace", exec.Command(unshare, append(args, "true")...).Run() == nil)
	self, err := os.Executable()
	require.NoError(t, err)
	args = append(args, self)
	for _, k := range kinds {
		name := newName(t)
		must[closer](t)(k.create(name, nil))
		args = append(args, name)
	}
	p := testproc.Start(t, "another pid namespace", testproc.Binary(unshare), testproc.Args(args...))
	p.Expect("refused")
	p.Succeed()
}

func TestWithoutDevShm(t *testing.T) {
	old := shmfile.Dir
	shmfile.Dir = filepath.Join(t.TempDir(), "none")
	defer func() { shmfile.Dir = old }()
	for _, k := range kinds {
		_, err := k.create("name", nil)
		require.ErrorIs(t, err, shm.ErrNoDirectory)
		_, err = k.open(t.Context(), "name", nil)
		require.ErrorIs(t, err, shm.ErrNoDirectory)
		must[closer](t)(k.create("", nil))
	}
}
