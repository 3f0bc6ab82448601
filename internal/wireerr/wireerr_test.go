package wireerr_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/wireerr"
)

var errOwn = wireerr.Register("wireerr_test.errOwn", fmt.Errorf("own: %w", io.EOF))

// listError cannot be compared with ==.
type listError []string

func (l listError) Error() string { return strings.Join(l, ", ") }

func TestErrorsKeepTheirIdentity(t *testing.T) {
	for _, c := range []struct {
		err error
		is  []error
		not []error
	}{
		{errors.New("plain"), nil, []error{io.EOF}},
		{io.EOF, []error{io.EOF}, []error{errOwn, io.ErrUnexpectedEOF}},
		{errOwn, []error{errOwn, io.EOF}, []error{fs.ErrClosed}},
		{fmt.Errorf("wrapped: %w, %w", errOwn, context.Canceled), []error{errOwn, io.EOF, context.Canceled}, []error{fs.ErrExist}},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, []error{fs.ErrNotExist, syscall.ENOENT}, []error{syscall.EPERM}},
		{listError{"a", "b"}, nil, []error{io.EOF}},
	} {
		for range 2 { // the second may come from the cache
			err := wireerr.Decode(wireerr.Encode(c.err))
			require.Equal(t, c.err.Error(), err.Error())
			for _, is := range c.is {
				require.ErrorIs(t, err, is)
			}
			for _, not := range c.not {
				require.NotErrorIs(t, err, not)
			}
			again := wireerr.Decode(wireerr.Encode(err)) // through another process
			require.Equal(t, err.Error(), again.Error())
			for _, is := range c.is {
				require.ErrorIs(t, again, is)
			}
			var e *wireerr.Error
			require.ErrorAs(t, again, &e)
			require.Equal(t, fmt.Sprintf("%T", c.err), e.Type)
		}
	}
}

func TestPanics(t *testing.T) {
	err := wireerr.Decode(wireerr.Encode(wireerr.Panic(7, []byte("goroutine 1"))))
	var e *wireerr.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "panic: 7", err.Error())
	require.Equal(t, wireerr.Error{Text: "7", Type: "int", Stack: "goroutine 1", Panicked: true}, *e)
	wrapped := wireerr.Decode(wireerr.Encode(fmt.Errorf("task: %w", err)))
	require.Equal(t, "task: panic: 7", wrapped.Error())
	require.ErrorAs(t, wrapped, &e)
	require.Equal(t, "goroutine 1", e.Stack)
}

func TestLongErrors(t *testing.T) {
	data := wireerr.Encode(errors.New(strings.Repeat("x", 1<<20)))
	require.Less(t, len(data), 20<<10)
	require.NotEmpty(t, wireerr.Decode(data).Error())
}

func TestRegister(t *testing.T) {
	require.Panics(t, func() { wireerr.Register("wireerr_test.errOwn", io.EOF) })
	require.Panics(t, func() { wireerr.Register("", io.EOF) })
	require.Panics(t, func() { wireerr.Register("nothing", nil) })
}

func FuzzDecode(f *testing.F) {
	f.Add(wireerr.Encode(errOwn))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if wireerr.Decode(data) == nil {
			t.Fatal("no error")
		}
	})
}
