package proc

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecodeReport(t *testing.T) {
	returned := string(encodeReport(errors.New("out of luck")))
	for name, c := range map[string]struct {
		report string
		want   error
	}{
		"nothing":            {"", nil},
		"error":              {returned, &ChildError{"out of luck"}},
		"empty error":        {string(encodeReport(errors.New(""))), &ChildError{}},
		"error cut short":    {returned[:8], &ChildError{"out"}},
		"panic":              {"panic: x\n\ngoroutine 1 [running]:\nf()\n", &PanicError{"x", "goroutine 1 [running]:\nf()\n"}},
		"trace alone":        {"\ngoroutine 1 [running]:\nf()\n", &PanicError{"fatal error", "goroutine 1 [running]:\nf()\n"}},
		"without trace":      {"panic: x\n", &PanicError{Value: "x"}},
		"cut short":          {"pan", &PanicError{Value: "pan"}},
		"panic after error":  {returned + "panic: x\n", &PanicError{Value: "x"}},
		"mark alone":         {"\x01", &PanicError{Value: "\x01"}},
		"length of nonsense": {"\x01\xff\xff\xff\xffrest", &ChildError{"rest"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, decodeReport([]byte(c.report)))
		})
	}
	long := encodeReport(errors.New(strings.Repeat("x", 1<<20)))
	require.Len(t, long, 5+maxReportText)
}

func FuzzDecodeReport(f *testing.F) {
	f.Add(encodeReport(errors.New("x")))
	f.Add([]byte("panic: x\n\ngoroutine 1 [running]:\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := decodeReport(b); (err == nil) != (len(b) == 0) {
			t.Fatalf("%q gives %v", b, err)
		}
	})
}
