package describe_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/shmfile"
)

func tree() *describe.Node {
	n := &describe.Node{}
	n.Add("count", 3)
	n.Add("word", describe.Hex(255)).Set("a note")
	k := n.Add("group", "what it is")
	k.Add("same", true)
	k.Add("same", math.NaN())
	k.Add("is", 2*time.Second)
	l := n.Group("list")
	l.List = true
	l.Add("[0]", "x\x1b")
	n.Group("none").List = true
	return n
}

func TestNodePrints(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, tree().Print(&b))
	require.Equal(t, `count  3
word   0xff  a note
group  what it is
  same  true
  same  NaN
  is    2s
list
  [0]  "x\x1b"
none
`, b.String())
}

// Every name is there once in JSON, in order, whatever the names are.
func TestNodeIsJSON(t *testing.T) {
	b, err := json.Marshal(tree())
	require.NoError(t, err)
	require.Equal(t, `{"count":3,"word":"0xff","group":{"is":"what it is","same":true,"same#2":"NaN","is#2":2},"list":["x\u001b"],"none":[]}`, string(b))
}

func TestFind(t *testing.T) {
	require.Equal(t, true, tree().Find("group", "same").Value)
	require.Nil(t, tree().Find("group", "other", "one"))
}

func TestReadIsBounded(t *testing.T) {
	f := describe.NewFile(strings.NewReader("0123456789"), 10)
	b, err := f.Read(3, 4)
	require.NoError(t, err)
	require.Equal(t, "3456", string(b))
	for _, c := range []struct {
		off, n int64
		want   error
	}{
		{0, 11, shmfile.ErrTruncated}, {11, 0, shmfile.ErrTruncated}, {5, 6, shmfile.ErrTruncated},
		{-1, 1, shmfile.ErrCorrupt}, {0, -1, shmfile.ErrCorrupt}, {0, 1 << 40, shmfile.ErrCorrupt},
		{math.MaxInt64, 8, shmfile.ErrTruncated},
	} {
		_, err := f.Read(c.off, c.n)
		require.ErrorIs(t, err, c.want, "%d bytes at %d", c.n, c.off)
	}
	_, err = describe.NewFile(strings.NewReader("0123"), 10).Read(0, 10)
	require.ErrorIs(t, err, shmfile.ErrTruncated, "it shrank")
}

func TestPlain(t *testing.T) {
	for s, want := range map[string]string{"a b": "a b", "é": "é", "\x1b": `"\x1b"`, "\xff": `"\xff"`, "a\nb": `"a\nb"`, "\u202e": `"\u202e"`} {
		require.Equal(t, want, describe.Plain(s))
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 1 << 40: "1 TiB", math.MaxInt64: "8 EiB"} {
		require.Equal(t, want, describe.Bytes(n))
	}
}

func TestBasic(t *testing.T) {
	b := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}
	for name, want := range map[string]any{
		"bool": true, "int8": int64(-1), "uint8": uint64(255), "int16": int64(-1), "uint16": uint64(1<<16 - 1),
		"atomic.Int32": int64(-1), "atomic.Uint32": uint64(1<<32 - 1), "int": int64(-1), "uint": uint64(math.MaxUint64),
		"atomic.Bool": true, "unknown": nil,
	} {
		require.Equal(t, want, describe.Basic(name, b), name)
	}
	require.Equal(t, "(0+0i)", describe.Basic("complex128", make([]byte, 16)))
	require.Equal(t, 1.0, describe.Basic("float64", []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f}))
	require.Nil(t, describe.Basic("int64", b[:7]))
}
