package shmfile_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/shmfile"
)

func TestNames(t *testing.T) {
	for _, good := range []string{"a", "psm_1234abcd", "with space", "a:b", "a\nb", "ü", "...", ".a", strings.Repeat("x", 255)} {
		require.NoError(t, shmfile.CheckName(good), "%q", good)
	}
	// M11, R05
	for _, bad := range []string{"", ".", "..", "/", "/a", "a/b", "a\x00", "\x00", strings.Repeat("x", 256), strings.Repeat("x", 300)} {
		require.ErrorIs(t, shmfile.CheckName(bad), shmfile.ErrName, "%q", bad)
	}
}
