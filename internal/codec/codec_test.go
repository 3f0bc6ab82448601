package codec_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/codec"
)

func trip[T any](t *testing.T, v T) T {
	t.Helper()
	data, err := codec.Marshal(v)
	require.NoError(t, err)
	var back T
	require.NoError(t, codec.Unmarshal(data, &back))
	return back
}

func TestRoundTrip(t *testing.T) {
	type inner struct {
		Names map[string][]int
		Next  *inner
	}
	v := inner{Names: map[string][]int{"a": {1, -2}}, Next: &inner{}}
	require.Equal(t, v, trip(t, v))

	now := time.Date(2026, 2, 3, 4, 5, 6, 789_012_345, time.UTC)
	require.True(t, now.Equal(trip(t, now)), "nanoseconds survive")

	require.Equal(t, []any{int64(1), int64(-1), int64(255)}, trip(t, []any{uint8(1), int16(-1), uint64(255)}))
	require.Equal(t, map[any]any{int64(7): "seven", "k": true}, trip(t, map[any]any{uint16(7): "seven", "k": true}))

	require.Equal(t, "\xff\x00bytes", trip(t, "\xff\x00bytes"), "a string may hold any bytes")

	long := make([]byte, 200_000)
	wide := make([]int, 200_000)
	require.Len(t, trip(t, wide), len(wide))
	require.Equal(t, long, trip(t, long))
}

func TestErrors(t *testing.T) {
	_, err := codec.Marshal(make(chan int))
	require.Error(t, err)
	_, err = codec.Marshal(struct{ F func() }{func() {}})
	require.Error(t, err)
	_, err = codec.Marshal(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))
	require.ErrorContains(t, err, farTime)

	var v []int
	require.Error(t, codec.Unmarshal(nil, &v))
	require.Error(t, codec.Unmarshal([]byte{0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, &v), "a length without elements")
	require.Error(t, codec.Unmarshal([]byte{0x80, 0x80}, &v), "trailing bytes")
}

// farTime is in the error of a time that RFC 3339 cannot express.
const farTime = "time.Time year outside of range"

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte{0x82, 1, 0x61, 'a'})
	f.Add([]byte{0xc1, 0x1b, 0, 3, 0, 0, 0, 0, 0, 0}) // a time in the year 26 million
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if codec.Unmarshal(data, &v) != nil {
			return
		}
		// Marshal says of these times that it refuses them.
		if _, err := codec.Marshal(v); err != nil && !strings.Contains(err.Error(), farTime) {
			t.Fatalf("decoded to %#v, which cannot be encoded: %v", v, err)
		}
	})
}

func TestKeys(t *testing.T) {
	minus := math.Copysign(0, -1)
	type celsius float32
	key := func(v any) []byte {
		data, err := codec.MarshalKey(v)
		require.NoError(t, err)
		return data
	}
	for _, same := range [][2]any{
		{0.0, minus}, {celsius(0), celsius(minus)}, {1, uint8(1)}, {1.5, float32(1.5)}, {math.NaN(), math.Float64frombits(0x7ff8000000000001)},
		{struct{ A, B float64 }{minus, 1}, struct{ A, B float64 }{0, 1}},
		{[]any{"text", 1000, -1, []float64{minus}, minus}, []any{"text", 1000, -1, []float64{0}, 0.0}},
	} {
		require.Equal(t, key(same[0]), key(same[1]), "%v", same)
	}
	// What only looks like one.
	for _, v := range []any{"\xf9\x80\x00", []byte{0xf9, 0x80, 0}, strings.Repeat("\xf9\x80\x00", 100), 0xf98000, 1 << 60} {
		data, err := codec.MarshalCanonical(v)
		require.NoError(t, err)
		require.Equal(t, data, key(v))
	}
	data, err := codec.MarshalCanonical(minus)
	require.NoError(t, err)
	var back float64
	require.NoError(t, codec.Unmarshal(data, &back))
	require.True(t, math.Signbit(back), "a value keeps its sign")
}
