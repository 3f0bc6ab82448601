package shm_test

import (
	"encoding/binary"
	"os"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/plain"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

// Every typed object carries a text that describes its type, and nobody who opens it
// relies on that.
func TestObjectsDescribeTheirType(t *testing.T) {
	for kind, create := range map[string]func(name string) (interface{ Unlink() error }, error){
		"object": func(n string) (interface{ Unlink() error }, error) { return shm.NewObject[account](n, nil) },
		"value":  func(n string) (interface{ Unlink() error }, error) { return shm.NewValue(n, [3]int32{1, 2, 3}, nil) },
		"array":  func(n string) (interface{ Unlink() error }, error) { return shm.NewArray[account](n, 7, nil) },
	} {
		t.Run(kind, func(t *testing.T) {
			name := testproc.Name(t)
			made, err := create(name)
			require.NoError(t, err)
			open := func() error {
				switch kind {
				case "object":
					o, err := shm.OpenObject[account](t.Context(), name, nil)
					return closed(o, err)
				case "value":
					v, err := shm.OpenValue[[3]int32](t.Context(), name, nil)
					return closed(v, err)
				}
				a, err := shm.OpenArray[account](t.Context(), name, nil)
				return closed(a, err)
			}
			path := "/dev/shm/" + name
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			at, n := binary.LittleEndian.Uint64(b[96:]), binary.LittleEndian.Uint64(b[104:])
			require.Equal(t, uint64(len(b)), at+n)
			want := plain.Text(reflect.TypeFor[account]())
			if kind == "value" {
				want = "= [3]int32\n"
			}
			require.Equal(t, want, string(b[at:]))

			f, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			defer f.Close()
			garbage := binary.LittleEndian.AppendUint64(nil, 1<<63+5)
			for _, off := range []int64{96, 104, int64(at)} {
				_, err = f.WriteAt(garbage[:min(8, int64(len(b))-off)], off)
				require.NoError(t, err)
				require.NoError(t, open())
			}
			require.NoError(t, made.(interface{ Close() error }).Close())
			require.NoError(t, made.Unlink())
		})
	}
}

func closed(c interface{ Close() error }, err error) error {
	if err != nil {
		return err
	}
	return c.Close()
}
