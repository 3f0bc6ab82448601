//go:build !linux

package mem

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func mappedLitmusWords(t *testing.T) *litmusWords {
	t.Skip("files are mapped on Linux only")
	return nil
}

func TestMapIsUnsupported(t *testing.T) {
	_, err := Map(nil, 1, Options{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = MapRing(nil, 1, 1, 1, Options{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}
