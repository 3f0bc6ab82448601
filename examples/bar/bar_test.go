package bar

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc/pool"
)

func TestLine(t *testing.T) {
	for want, p := range map[string]pool.Progress{
		"[===============               ] 50 of 100, 5/s, 10s left": {Done: 50, Total: 100, Elapsed: 10 * time.Second},
		"[==============================] 7 of 7, 7/s, 2 failed":    {Done: 7, Failed: 2, Total: 7, Elapsed: time.Second},
		"[==============================] 7 of 7, 9/s":              {Done: 9, Total: 7, Elapsed: time.Second},
		"12, 12/s": {Done: 12, Elapsed: time.Second},
		"0, 0/s":   {},
	} {
		require.Equal(t, want, Line(p))
	}
}

func TestDrawsAndRemoves(t *testing.T) {
	var b strings.Builder
	draw := To(&b)
	draw(pool.Progress{Done: 1, Elapsed: time.Second})
	draw(pool.Progress{Done: 1, Over: true})
	require.Equal(t, "\r\x1b[K1, 1/s\r\x1b[K", b.String())

	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer f.Close()
	On(f)(pool.Progress{Done: 1})
	info, err := f.Stat()
	require.NoError(t, err)
	require.Zero(t, info.Size(), "a file is no terminal")
}
