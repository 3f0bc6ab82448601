//lint:file-ignore U1000 the fields of these types are only reflected on

package plain_test

import (
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/plain"
)

type reading struct {
	at    int64
	ok    bool
	level celsius
}

type station struct {
	_    [0]func()
	id   uint32
	n    counter
	both [2][3]reading
	last reading
}

func TestText(t *testing.T) {
	const want = `struct 16 "counter"
0 atomic.Int64 "n"
8 atomic.Uint32 "u"
12 atomic.Bool "b"
struct 24 "reading"
0 int64 "at"
8 bool "ok"
16 float64 "level"
struct 192 "station"
0 uint32 "id"
8 #0 "n"
24 [2][3]#1 "both"
168 #1 "last"
= #2
`
	require.Equal(t, want, plain.Text(reflect.TypeFor[station]()))
	require.Equal(t, want, plain.Text(reflect.TypeFor[station]()), "from the cache")
	l, err := plain.Parse(want)
	require.NoError(t, err)
	require.Equal(t, plain.LayoutOf(reflect.TypeFor[station](), false), l)
	require.Equal(t, want, l.Text())
}

func TestTextOfOneValue(t *testing.T) {
	for text, typ := range map[string]reflect.Type{
		"= int\n":          reflect.TypeFor[int](),
		"= float64\n":      reflect.TypeFor[celsius](),
		"= [4]uint8\n":     reflect.TypeFor[[4]byte](),
		"= atomic.Int64\n": reflect.TypeFor[atomic.Int64](),
		"= struct:0\n":     reflect.TypeFor[struct{}](),
	} {
		require.Equal(t, text, plain.Text(typ))
		_, err := plain.Parse(text)
		require.NoError(t, err)
	}
}

// A type of very many values has a text like others; one with too many fields none.
func TestTextIsBounded(t *testing.T) {
	l, err := plain.Parse(plain.Text(reflect.TypeFor[wide]()))
	require.NoError(t, err)
	require.Equal(t, int64(reflect.TypeFor[wide]().Size()), l.Size)

	var fields []reflect.StructField
	for i := range 2000 {
		fields = append(fields, reflect.StructField{Name: "F" + strconv.Itoa(i), Type: reflect.TypeFor[int]()})
	}
	require.Empty(t, plain.Text(reflect.StructOf(fields)))
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                "",
		"no end":                 "struct 8 \"a\"\n0 int64 \"x\"\n",
		"an unknown type":        "= strange\n",
		"a struct of the future": "= #0\n",
		"itself":                 "struct 8 \"a\"\n0 #0 \"x\"\n= #0\n",
		"an empty struct":        "struct 8 \"a\"\n= #0\n",
		"a field outside":        "struct 8 \"a\"\n4 int64 \"x\"\n= #0\n",
		"overlapping fields":     "struct 8 \"a\"\n0 int32 \"x\"\n2 int32 \"y\"\n= #0\n",
		"a field of no size":     "struct 8 \"a\"\n0 [0]int32 \"x\"\n= #0\n",
		"a field before":         "0 int32 \"x\"\n= int32\n",
		"a negative length":      "= [-1]int32\n",
		"an overflow":            "= [9999999999][9999999999]int64\n",
		"a name without quotes":  "struct 8 a\n0 int64 x\n= #0\n",
		"a number too large":     "= x:99999999999999999999\n",
		"far too much":           "= " + strings.Repeat("[1]", plain.MaxText) + "int8\n",
	} {
		_, err := plain.Parse(text)
		require.ErrorIs(t, err, plain.ErrText, name)
	}
}

// Whatever Parse makes of a text is sound, and its own text says the same.
func FuzzParse(f *testing.F) {
	f.Add(plain.Text(reflect.TypeFor[station]()))
	f.Add("= [2][3]semaphore.Mutex:48\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := plain.Parse(text)
		if err != nil {
			require.ErrorIs(t, err, plain.ErrText)
			return
		}
		sound(t, l, map[*plain.Layout]bool{})
		if again := l.Text(); again != "" {
			m, err := plain.Parse(again)
			require.NoError(t, err)
			require.Equal(t, again, m.Text())
		}
	})
}

func sound(t *testing.T, l *plain.Layout, seen map[*plain.Layout]bool) {
	if seen[l] {
		return
	}
	seen[l] = true
	if l.Elem != nil {
		require.Equal(t, l.Size, l.Len*l.Elem.Size)
		sound(t, l.Elem, seen)
	}
	end := int64(0)
	for _, f := range l.Fields {
		require.GreaterOrEqual(t, f.Offset, end)
		require.Positive(t, f.Layout.Size)
		end = f.Offset + f.Layout.Size
		require.LessOrEqual(t, end, l.Size)
		sound(t, f.Layout, seen)
	}
}
