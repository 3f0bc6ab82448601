package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/plain"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// garbled is the file of an object of that kind, whose header is sound but for sizes,
// and in which anything lies.
func garbled(t testing.TB, kind shmfile.Kind, sizes [2]uint64, size int64, text string, body []byte) []byte {
	b := make([]byte, max(size, int64(shmfile.HeaderSize+len(body)))+int64(len(text)))
	head, err := shmfile.NewHeader(shmfile.Spec{
		Kind: kind, Size: int64(len(b)), Sizes: sizes,
		About: [2]uint64{uint64(len(b) - len(text)), uint64(len(text))},
	})
	require.NoError(t, err)
	copy(b, head)
	copy(b[shmfile.HeaderSize:], body)
	copy(b[len(b)-len(text):], text)
	return b
}

// everything has the tool say all it can about a file.
func everything(t testing.TB, name string, b []byte) {
	set := describers()
	d := set.Describe(name, describe.NewFile(bytes.NewReader(b), int64(len(b))))
	require.NoError(t, d.Root.Print(io.Discard))
	_, err := d.Root.MarshalJSON()
	require.NoError(t, err)
	w := bufio.NewWriter(io.Discard)
	(&dumper{w: w, o: &object{Description: d}, set: set, budget: 1 << 14}).run()
}

// Whatever is under each kind's header, or under none, is described or refused: nothing
// panics, faults, or takes for ever.
func FuzzDescribe(f *testing.F) {
	account := "struct 56 \"\"\n0 semaphore.Mutex:48 \"mu\"\n48 int64 \"n\"\n= [2]#0\n"
	for k := range shmfile.Kinds() {
		f.Add(uint8(k), uint64(1), uint64(112), uint32(4096), account, []byte{1, 0, 0, 0, 0xff})
		f.Add(uint8(k), uint64(1<<16), uint64(1<<16-8), uint32(2<<16), "", binary.LittleEndian.AppendUint64(make([]byte, 128), 64))
		f.Add(uint8(k), uint64(1<<63), uint64(1<<62), uint32(1), "= [999999]semaphore.Barrier:12544\n", []byte{})
		f.Add(uint8(k), uint64(12544), uint64(12544), uint32(13000), "= semaphore.Barrier:12544\n", bytes.Repeat([]byte{0xff}, 12600))
		f.Add(uint8(k), uint64(3), uint64(8), uint32(0), "= [1000000][1000000]int8\n", []byte("x"))
	}
	options := make([]byte, 32) // of a ring with many ends
	for i, v := range []uint32{0, 0, 3, 4, 2, 2} {
		binary.LittleEndian.PutUint32(options[4*i:], v)
	}
	f.Add(uint8(3), uint64(1<<16), uint64(1<<16-8), uint32(1<<20), "", options)
	f.Add(uint8(4), uint64(16), uint64(8), uint32(1<<20), "= int64\n", options)
	f.Add(uint8(255), uint64(0), uint64(0), uint32(0), "", []byte{2, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, kind uint8, first, second uint64, size uint32, text string, body []byte) {
		if kinds := shmfile.Kinds(); int(kind) < len(kinds) {
			everything(t, "x", garbled(t, kinds[kind], [2]uint64{first, second}, int64(size%(4<<20)), text, body))
		}
		everything(t, "sem.x", body)
	})
}

// A header that says anything.
func FuzzDescribeHeader(f *testing.F) {
	f.Add(garbled(f, shmfile.KindRing, [2]uint64{1 << 16, 1<<16 - 8}, 1<<17, "", nil)[:256])
	f.Add(garbled(f, shmfile.KindValue, [2]uint64{1, 8}, 700, "= int\n", nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		copy(b, "shmkit\r\n")
		everything(t, "x", b)
	})
}

// The values of a type whose description multiplies are bounded all the same.
func TestDescriptionsAreBounded(t *testing.T) {
	text := "struct 2 \"\"\n0 int8 \"a\"\n1 int8 \"b\"\n"
	for i := range 15 {
		text += "struct " + itoa(4<<i) + " \"\"\n0 #" + itoa(i) + " \"a\"\n" + itoa(2<<i) + " #" + itoa(i) + " \"b\"\n"
	}
	text += "= #15\n"
	_, err := plain.Parse(text)
	require.NoError(t, err)
	b := garbled(t, shmfile.KindObject, [2]uint64{1, 2 << 15}, shmfile.HeaderSize+2<<15, text, nil)
	d := describers().Describe("", describe.NewFile(bytes.NewReader(b), int64(len(b))))
	var out bytes.Buffer
	require.NoError(t, d.Root.Print(&out))
	require.Less(t, out.Len(), 4<<20)
	require.Contains(t, out.String(), "more than is shown")
}
