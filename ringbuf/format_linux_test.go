package ringbuf

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/robust"
)

var updateFormat = flag.Bool("update", false, "write the worked examples of FORMAT.md anew")

// The worked examples in FORMAT.md are what the code writes.
func TestFormatExample(t *testing.T) {
	document, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	text := string(document)
	for _, example := range []struct {
		marker string
		make   func(t *testing.T) *Ring
		zones  func(g geometry) [][2]int // what of the file is shown
	}{
		{"an exclusive ring", exclusiveExample, func(geometry) [][2]int { return [][2]int{{0, headSize + 64}} }},
		{"a shared ring", sharedExample, func(g geometry) [][2]int {
			return [][2]int{{0, g.head}, {g.at(0) + (g.table-1)*extentSize, g.at(0) + g.table*extentSize}, {g.at(0) + g.slots, g.at(0) + g.slots + 64}, {g.at(0) + g.hold, g.at(0) + g.hold + 16}}
		}},
		{"a sparse ring", sparseExample, func(g geometry) [][2]int {
			return [][2]int{{128, 160}, {g.at(0) + g.words, g.at(0) + g.words + 64}, {g.at(0) + g.slots, g.at(0) + g.slots + 128}, {g.at(0) + g.slots + g.chunk - 8*g.fates, g.at(0) + g.slots + g.chunk - 8*g.fates + 32}}
		}},
	} {
		r := example.make(t)
		var g geometry
		if r.many != nil {
			g = r.many.geo
		}
		shown := "```\n" + dump(t, r, example.zones(g)) + "```\n"
		begin := strings.Index(text, "<!-- "+example.marker+" -->\n")
		require.GreaterOrEqual(t, begin, 0, example.marker)
		begin = begin + strings.Index(text[begin:], "```\n")
		end := begin + 4 + strings.Index(text[begin+4:], "```\n") + 4
		if *updateFormat {
			text = text[:begin] + shown + text[end:]
			continue
		}
		require.Equal(t, shown, text[begin:end], "go test -run TestFormatExample -args -update writes it anew")
	}
	if *updateFormat {
		require.NoError(t, os.WriteFile("FORMAT.md", []byte(text), 0o666))
	}
}

func exclusiveExample(t *testing.T) *Ring {
	r := ring(t, &Options{Capacity: minCapacity})
	p, c := producer(t, r), consumer(t, r)
	ctx := context.Background()
	require.NoError(t, p.Send(ctx, []byte("hello")))
	require.NoError(t, p.Send(ctx, []byte("shmkit")))
	_, err := c.Recv(ctx, nil)
	require.NoError(t, err)
	require.NoError(t, p.CloseSend())
	require.NoError(t, p.Close())
	require.NoError(t, c.Close())
	return r
}

func sharedExample(t *testing.T) *Ring {
	r := ring(t, &Options{Mode: MPMC, Producers: 2, Consumers: 2, Capacity: minCapacity})
	p, c := producer(t, r), consumer(t, r)
	ctx := context.Background()
	require.NoError(t, p.Send(ctx, []byte("hello")))
	require.NoError(t, p.Send(ctx, bytes.Repeat([]byte("x"), 1500)))
	_, err := c.Recv(ctx, nil)
	require.NoError(t, err)
	_, err = c.Next(ctx)
	require.NoError(t, err)
	return r
}

func sparseExample(t *testing.T) *Ring {
	r := ring(t, &Options{Mode: MPMC, Producers: 2, Consumers: 2, Grow: true, Leases: true, Capacity: leastChunks * chunkSize})
	p, c := producer(t, r), consumer(t, r)
	ctx := context.Background()
	for _, s := range []string{"hello", "shared memory, held in place", "ready"} {
		require.NoError(t, p.Send(ctx, []byte(s)))
	}
	_, err := c.Recv(ctx, nil)
	require.NoError(t, err)
	_, err = c.Next(ctx)
	require.NoError(t, err)
	return r
}

// dump shows what of r's file is not zero, 16 bytes a line. What differs from run to
// run is shown as letters.
func dump(t *testing.T, r *Ring, zones [][2]int) string {
	letters := map[int]byte{}
	hide := func(at, n int, letter byte) {
		for i := range n {
			letters[at+i] = letter
		}
	}
	hide(48, 8, 'n')
	hide(56, 16, 'i')
	hide(72, 8, 'p')
	hide(80, 8, 's')
	presence := func(at int) {
		hide(at, 4, 't')
		hide(at+40, 8, 'd')
	}
	if r.many == nil {
		presence(768)
		presence(896)
	} else {
		for i := range r.many.geo.seats {
			presence(sharedHead + i*seatSize)
		}
		for i := range r.many.geo.lanes {
			presence(sharedHead + r.many.geo.seats*seatSize + i*laneSize)
		}
	}
	var out strings.Builder
	for _, z := range zones {
		b := make([]byte, z[1]-z[0])
		_, err := r.File().ReadAt(b, int64(z[0]))
		require.NoError(t, err)
		for i := 0; i < len(b); i += 16 {
			line := b[i : i+16]
			if bytes.Count(line, []byte{0}) == 16 {
				continue
			}
			fmt.Fprintf(&out, "%7d ", z[0]+i)
			for k, v := range line {
				word := line[k&^3 : k&^3+4]
				letter, hidden := letters[z[0]+i+k]
				switch {
				case hidden && bytes.Count(word, []byte{0}) < 4 && letter != 'd', hidden && letter == 'd' && bytes.Count(line[8:], []byte{0}) < 8:
					fmt.Fprintf(&out, " %c%c", letter, letter)
				default:
					fmt.Fprintf(&out, " %02x", v)
				}
			}
			out.WriteString("\n")
		}
	}
	return out.String()
}

// The constants in FORMAT.md's tables are the code's: the compile-time assertions of
// the layout files hold the structs against the tables there, this holds the sizes
// that only the text gives.
func TestFormatFacts(t *testing.T) {
	document, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	for _, fact := range []string{
		fmt.Sprintf("| 1024 | %d × S | seats | |", seatSize),
		fmt.Sprintf("| behind | %d × L | lanes | |", laneSize),
		fmt.Sprintf("| %d | capacity | data | |", headSize),
		fmt.Sprintf("the length n ≤ %d", inlineMost),
		fmt.Sprintf("table of %d extents", largeEntries),
		fmt.Sprintf("The last 8 × %d bytes of a chunk", fatesIn(chunkSize)),
		fmt.Sprintf("begin at multiples of %d", placeSize),
		fmt.Sprintf("at most %d messages in a row", burstMost),
		fmt.Sprintf("| 384 | 256 × %d | server seats | |", callServers),
		fmt.Sprintf("| %d | %d × C | client seats", callHeadSize, callSeatSize),
		fmt.Sprintf("A client has %d slots", callSlots),
		fmt.Sprintf("if it has at most %d bytes", callInline),
	} {
		require.Contains(t, string(document), fact)
	}
	require.Equal(t, uint32(1<<31), uint32(robust.Waiters))
	require.Equal(t, uint32(1<<30), uint32(robust.OwnerDied))
}
