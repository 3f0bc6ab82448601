package ringbuf

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
)

var strategies = []Strategy{Hybrid, Spin, Block}

// eachStrategy runs fn with each.
func eachStrategy(t *testing.T, fn func(t *testing.T, s Strategy)) {
	for _, s := range strategies {
		t.Run(s.String(), func(t *testing.T) { fn(t, s) })
	}
}

// bounded is a context for calls that must return by themselves.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testproc.Watchdog)
	t.Cleanup(cancel)
	return ctx
}

// ring makes an anonymous ring that is closed after the test.
func ring(t testing.TB, o *Options) *Ring {
	t.Helper()
	return namedRing(t, "", o)
}

func namedRing(t testing.TB, name string, o *Options) *Ring {
	t.Helper()
	r, err := New(name, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// newName returns a name that is removed after the test.
func newName(t testing.TB) string {
	t.Helper()
	name := testproc.Name(t)
	t.Cleanup(func() { os.Remove("/dev/shm/" + name) })
	return name
}

func producer(t testing.TB, r *Ring) *Producer {
	t.Helper()
	p, err := r.Producer()
	require.NoError(t, err)
	return p
}

func consumer(t testing.TB, r *Ring) *Consumer {
	t.Helper()
	c, err := r.Consumer()
	require.NoError(t, err)
	return c
}

// pair makes a ring and both its ends.
func pair(t testing.TB, o *Options) (*Producer, *Consumer) {
	t.Helper()
	r := ring(t, o)
	return producer(t, r), consumer(t, r)
}

// opened is a child's view of the ring that it was given.
func opened(c *testproc.Child) *Ring {
	r, err := OpenFile(c.Files[0])
	require.NoError(c, err)
	return r
}

func asProducer(c *testproc.Child) *Producer {
	p, err := opened(c).Producer()
	require.NoError(c, err)
	return p
}

func asConsumer(c *testproc.Child) *Consumer {
	e, err := opened(c).Consumer()
	require.NoError(c, err)
	return e
}

// number is a child's argument.
func number(c *testproc.Child, i int) int {
	n, err := strconv.Atoi(c.Args[i])
	require.NoError(c, err)
	return n
}

// until waits for something that nobody announces.
func until(t testing.TB, cond func() bool) {
	t.Helper()
	testproc.Within(t, func() {
		for !cond() {
			time.Sleep(100 * time.Microsecond) // sleep: between two looks at memory that another process writes
		}
	})
}

// asleep waits until the consumer or producer of r has announced its sleep.
// recvSleeps says whether the consumer sleeps, or is about to.
func (h *header) recvSleeps() bool { return h.producer.Word.Load()&robust.Waiters != 0 }

// sendSleeps says whether the producer sleeps, or is about to.
func (h *header) sendSleeps() bool { return h.consumer.Word.Load()&robust.Waiters != 0 }

func consumerSleeps(t testing.TB, r *Ring) {
	t.Helper()
	until(t, r.h.recvSleeps)
}

func producerSleeps(t testing.TB, r *Ring) {
	t.Helper()
	until(t, r.h.sendSleeps)
}

// result is what a call on another goroutine returned.
type result struct {
	b   []byte
	err error
}

// async runs call on another goroutine.
func async(call func() ([]byte, error)) <-chan result {
	done := make(chan result, 1)
	go func() {
		b, err := call()
		done <- result{b, err}
	}()
	return done
}

// get returns what an async call returned.
func get(t testing.TB, done <-chan result) (r result) {
	t.Helper()
	testproc.Within(t, func() { r = <-done })
	return r
}

// noise is what messages are cut out of.
var noise = func() []byte {
	b := make([]byte, 1<<18)
	src := rand.NewChaCha8([32]byte{1})
	src.Read(b)
	return b
}()

// hash mixes a sequence number.
func hash(seq int) uint64 {
	x := uint64(seq) * 0x9e3779b97f4a7c15
	x ^= x >> 29
	x *= 0xbf58476d1ce4e5b9
	return x ^ x>>32
}

// cut returns n bytes that depend on seq.
func cut(seq, n int) []byte {
	at := hash(seq) % 65536
	return noise[at : at+uint64(n)]
}

var streamSizes = []int{0, 1, 7, 8, 9, 15, 16, 17, 24, 63, 64, 65, 100, 1000, 4087, 4088, 4089, minCapacity - recordHeader}

// message returns message number seq of the stream that processes send each
// other here: its length and all its bytes follow from seq.
func message(seq int) []byte {
	h := hash(seq) >> 8
	n := streamSizes[h%uint64(len(streamSizes))]
	if n > 5000 && h>>8%8 != 0 { // the largest are rare
		n = int(h >> 16 % 300)
	}
	return cut(seq, n)
}
