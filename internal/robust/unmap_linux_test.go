//go:build !explore

package robust

import (
	"context"
	"testing"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/stretchr/testify/require"
)

// Whoever sleeps on a word of memory that his own process closes is woken, with
// or without a context that could end the sleep, in a group or alone, and even
// if the word has the value that closed memory has.
func TestUnmapWakesSleepers(t *testing.T) {
	for name, val := range map[string]uint32{"changed by closing": 7, "the same afterwards": 0} {
		t.Run(name, func(t *testing.T) {
			m, err := mem.Map(newFile(t, 4096), 4096, mem.Options{})
			require.NoError(t, err)
			words := (*[2]mem.Uint32)(unsafe.Pointer(&m.Bytes()[0]))
			words[0].Store(val)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			// Each sleeps until it learns that the memory is gone.
			sleeper := func(ctx context.Context, w *mem.Uint32) <-chan error {
				return start(func() error {
					for {
						if err := futex.Sleep(ctx, w, val, nil); err != nil || w.Load() != val {
							return err
						}
					}
				})
			}
			words[1].Store(val)
			var all []<-chan error
			for range 3 {
				all = append(all, sleeper(context.Background(), &words[0]), sleeper(ctx, &words[1]))
			}
			await(t, func() bool { return sleepers(&words[0]) == 1 && sleepers(&words[1]) == 1 })
			require.NoError(t, Unmap(m))
			for _, s := range all {
				if err := result(t, s); val == 0 {
					require.ErrorIs(t, err, ErrClosed)
				}
			}
		})
	}
}
