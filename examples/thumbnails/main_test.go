package main

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
)

func TestMain(m *testing.M) {
	proc.Main()
	testproc.Main(m)
}

func picture(t *testing.T, path string, w, h int) {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = 255
	}
	m.Set(0, 0, color.Black)
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, png.Encode(f, m))
	require.NoError(t, f.Close())
}

func TestThumbnails(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(from, "sub"), 0o755))
	picture(t, filepath.Join(from, "wide.png"), 400, 100)
	picture(t, filepath.Join(from, "sub", "tiny.png"), 3, 2)
	require.NoError(t, os.WriteFile(filepath.Join(from, "broken.jpg"), []byte("no picture"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(from, "notes.txt"), nil, 0o644))
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out, from, to, 50, 2))
	require.Regexp(t, `^no thumbnail: broken\.jpg: image: unknown format\n2 of 3 pictures in \S+, \d+ bytes, [12] processes\n$`, out.String())
	for name, size := range map[string]image.Point{"wide.png.png": {50, 12}, "sub/tiny.png.png": {3, 2}} {
		f, err := os.Open(filepath.Join(to, name))
		require.NoError(t, err)
		m, err := png.Decode(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Equal(t, size, m.Bounds().Size())
	}
	require.Error(t, run(t.Context(), &out, to+"/sub/none", "", 50, 1))
}

// The pictures of the Go distribution, of which a few are broken.
func TestRealDirectory(t *testing.T) {
	testproc.NeedGo(t)
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out, "", "", 64, 2))
	require.Regexp(t, regexp.MustCompile(`(?m)^\d\d+ of \d+ pictures`), out.String())
}
