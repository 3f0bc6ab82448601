//go:build !explore

package semaphore

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Any bytes under the name of a semaphore: Open returns one that can be used and
// closed, or an error; it does not panic, fault or hang, and the name stays.
func FuzzNamed(f *testing.F) {
	for _, value := range []int{0, 1, 5} {
		name, path := semName(f)
		n, err := Open(name, &OpenOptions{Create: true, Value: value, Max: value})
		require.NoError(f, err)
		require.NoError(f, n.Close())
		b, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(b, 0)
		f.Add(b[:31], 0)
		f.Add(append(b, 0), 3)
		f.Add(binary.LittleEndian.AppendUint64(b[:24], math.MaxUint64), 0)
		f.Add(append(binary.LittleEndian.AppendUint64(nil, math.MaxUint64), b[8:32]...), 1)
	}
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, b []byte, max int) {
		name, path := semName(t)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		for _, o := range []*OpenOptions{nil, {Max: max}, {Create: true, Exist: ExistOpen, Max: max}} {
			n, err := Open(name, o)
			if err != nil {
				require.Nil(t, n, "error XOR value")
				continue
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			_, _ = n.Value(), n.String()
			_ = n.TryAcquire(1)
			_ = n.Acquire(ctx, 2)
			_ = n.Release(1)
			cancel()
			err = n.Close()
			if errors.Is(err, ErrBusy) { // the bytes say that this process has the turn
				require.NoError(t, os.Truncate(path, 0))
				err = n.Close()
				require.NoError(t, os.WriteFile(path, b, 0o600))
			}
			require.NoError(t, err)
		}
		require.FileExists(t, path, "X08")
	})
}
