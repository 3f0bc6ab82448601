package ringbuf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
)

// expected says whether an operation on a ring full of garbage may end so.
func expected(err error) bool {
	for _, ok := range []error{
		nil, io.EOF, ErrCorrupt, ErrClosed, ErrFull, ErrEmpty, ErrPeerDied, ErrNoConsumer, ErrTooLarge,
		ErrNotReleased, ErrNotReserved, ErrBusy, context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, ok) {
			return true
		}
	}
	return false
}

// field returns one of the words of the header that processes write.
func (h *header) field(i byte) (*mem.Uint32, *mem.Uint64) {
	words32 := []*mem.Uint32{
		&h.ended, &h.producer.Word, &h.consumer.Word, &h.producer.Owner, &h.consumer.Owner,
	}
	words64 := []*mem.Uint64{&h.tail, &h.head, &h.wanted, &h.producer.Ident, &h.consumer.Ident, &h.tail, &h.head}
	if i < 128 {
		return nil, words64[int(i)%len(words64)]
	}
	return words32[int(i)%len(words32)], nil
}

// spoil writes x into a word of the header; small values become distances from
// what is there, which are the likelier to be taken for good.
func (h *header) spoil(i byte, x uint64) {
	w32, w64 := h.field(i)
	switch {
	case w32 != nil:
		w32.Store(uint32(x))
	case x < 1<<17:
		w64.Store(w64.Load() + x - 1<<16)
	default:
		w64.Store(x)
	}
}

// script reads what a fuzzer wrote.
type script []byte

func (s *script) byte() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

func (s *script) uint(n int) (x uint64) {
	for range n {
		x = x<<8 | uint64(s.byte())
	}
	return x
}

// Random bytes in head and data while both ends work: each call ends, with an
// error or with a value that could have been sent, and none panics.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("\x00\x02\x10\x02\x20\x03\x03\x05"))
	f.Add([]byte("\x01\x02\x10\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x03\x05"))                                 // a length
	f.Add([]byte("\x02\x02\x40\x01\x00\x00\x00\x00\x00\x00\x01\x00\x08\x03\x06\x03\x06"))                             // the tail
	f.Add([]byte("\x00\x02\x40\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\x04\xff\x07\x0a\x03\x0b\x02\x01"))             // the head
	f.Add([]byte("\x00\x02\x40\x01\x85\x00\x00\x00\x00\x40\x00\x00\x00\x03\x03\x05\x01\x86\x00\x00\x00\x00\x40\x01")) // presences
	f.Add([]byte("\x02\x0c\x10\x0d\x0c\x01\x0d\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0d\x0c\x02"))                 // the channel
	f.Fuzz(func(t *testing.T, b []byte) {
		s := script(b)
		o := &Options{Capacity: minCapacity, Strategy: strategies[int(s.byte())%len(strategies)]}
		r, err := New("", o)
		require.NoError(t, err)
		defer r.Close()
		p, c := producer(t, r), consumer(t, r)
		ch, err := NewChan[uint64]("", 16, o)
		require.NoError(t, err)
		defer ch.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		data := r.m.Bytes()[headSize:]
		msg := make([]byte, minCapacity)
		sent := func(err error) {
			require.True(t, expected(err), "%v", err)
		}
		received := func(b []byte, err error) {
			require.True(t, expected(err), "%v", err)
			if err != nil {
				require.Empty(t, b, "error XOR value")
			}
			require.LessOrEqual(t, len(b), r.MaxMessage())
		}
		for range 200 {
			if len(s) == 0 {
				break
			}
			switch s.byte() % 14 {
			case 0:
				binary.LittleEndian.PutUint64(data[s.uint(2)&^7:], s.uint(8))
			case 1:
				i := s.byte()
				x := s.uint(8)
				r.h.spoil(i, x)
				ch.h.spoil(i, x)
			case 2:
				sent(p.TrySend(msg[:s.byte()]))
			case 3:
				received(c.TryRecv(nil))
			case 4:
				sent(p.Send(ctx, msg[:s.uint(2)]))
			case 5:
				received(c.Recv(ctx, nil))
			case 6:
				received(c.Next(ctx))
			case 7:
				c.Release()
			case 8:
				_, err := p.SendBatch(ctx, [][]byte{msg[:s.byte()], msg[:s.byte()]})
				sent(err)
			case 9:
				n, err := c.RecvBatch(ctx, make([][]byte, 3))
				require.True(t, expected(err), "%v", err)
				require.Equal(t, err != nil, n == 0, "error XOR value")
			case 10:
				room, err := p.Reserve(ctx, int(s.byte()))
				received(room, err)
				sent(p.Commit(int(s.byte())))
			case 11:
				sent(p.CloseSend())
			case 12:
				sent(ch.TrySend(1))
				sent(ch.Send(ctx, 1))
				_, err := ch.SendBatch(ctx, make([]uint64, s.byte()%20))
				sent(err)
			case 13:
				_, err := ch.TryRecv()
				sent(err)
				_, err = ch.Recv(ctx)
				sent(err)
				_, err = ch.RecvBatch(ctx, make([]uint64, 1+s.byte()%20))
				sent(err)
			}
			require.LessOrEqual(t, r.Len(), r.Cap())
			require.LessOrEqual(t, ch.Len(), ch.Cap())
		}
		require.NotEmpty(t, r.String())
	})
}

// anonymous returns a memfd, not sealed, with these contents.
func anonymous(t testing.TB, b []byte, size int64) *os.File {
	fd, err := unix.MemfdCreate("fuzz", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "fuzz")
	_, err = f.Write(b)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(size))
	return f
}

// A header with any bytes in it: a ring that works, or an error.
func FuzzOpen(f *testing.F) {
	f.Add(int64(headSize+minCapacity), []byte{})
	f.Add(int64(headSize+minCapacity), []byte{0, 'X'})
	f.Add(int64(100), []byte{})
	f.Add(int64(headSize+minCapacity), []byte{34, 0, 35, 1})
	f.Add(int64(headSize+2*minCapacity), []byte{26, 3, 34, 2})
	f.Add(int64(headSize+minCapacity), []byte{40, 1, 41, 0, 128, 1, 132, 1})
	f.Add(int64(headSize+16*8), []byte{12, 5})
	heads := map[bool][]byte{}
	for _, isChan := range []bool{false, true} {
		head := make([]byte, 136)
		file := func() *os.File {
			if isChan {
				c, err := NewChan[uint64]("", 16, nil)
				require.NoError(f, err)
				f.Cleanup(func() { c.Close() })
				return c.File()
			}
			r, err := New("", &Options{Capacity: minCapacity})
			require.NoError(f, err)
			f.Cleanup(func() { r.Close() })
			return r.File()
		}()
		_, err := file.ReadAt(head, 0)
		require.NoError(f, err)
		heads[isChan] = head
	}
	f.Fuzz(func(t *testing.T, size int64, edits []byte) {
		size = min(max(size, 0), 1<<22)
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		for isChan, good := range heads {
			head := append([]byte(nil), good...)
			for i := 0; i+1 < len(edits); i += 2 {
				head[int(edits[i])%len(head)] = edits[i+1]
			}
			if r, err := OpenFile(anonymous(t, head, size)); err == nil {
				require.False(t, isChan && len(edits) == 0, "a channel is no ring")
				p, c := producer(t, r), consumer(t, r)
				if err := p.TrySend([]byte("x")); err == nil {
					b, err := c.Recv(ctx, nil)
					require.NoError(t, err)
					require.Equal(t, "x", string(b))
				} else {
					require.ErrorIs(t, err, ErrTooLarge)
				}
				require.NoError(t, r.Close())
			} else {
				require.Nil(t, r, "error XOR value")
			}
			if c, err := OpenChanFile[uint64](anonymous(t, head, size)); err == nil {
				require.False(t, !isChan && len(edits) == 0, "a ring is no channel")
				require.NoError(t, c.TrySend(7))
				v, err := c.Recv(ctx)
				require.NoError(t, err)
				require.EqualValues(t, 7, v)
				require.NoError(t, c.Close())
			} else {
				require.Nil(t, c, "error XOR value")
			}
		}
	})
}

// Writes garbage over the rings that it was given, until it is killed.
var _ = testproc.Helper("vandal", func(c *testproc.Child) {
	var maps [][]byte
	for _, f := range c.Files {
		st, err := f.Stat()
		require.NoError(c, err)
		b, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(c, err)
		maps = append(maps, b)
	}
	src := rand.New(rand.NewPCG(uint64(number(c, 0)), 1))
	var h header
	headWords := []uintptr{unsafe.Offsetof(h.tail), unsafe.Offsetof(h.head), unsafe.Offsetof(h.wanted), unsafe.Offsetof(h.ended)}
	for _, role := range []uintptr{unsafe.Offsetof(h.producer), unsafe.Offsetof(h.consumer)} {
		for at := uintptr(0); at < unsafe.Sizeof(h.producer.Presence); at += 8 {
			headWords = append(headWords, role+at)
		}
	}
	c.WriteLine("ready")
	for i := 0; ; i++ {
		b := maps[i%len(maps)]
		at := headSize + int(src.Uint32())%(len(b)-headSize)&^7
		if i%3 == 0 {
			at = int(headWords[src.IntN(len(headWords))])
		}
		x := src.Uint64() >> src.IntN(64)
		if src.IntN(2) == 0 {
			x &^= 7
		}
		binary.NativeEndian.PutUint64(b[at:], x)
	}
})

// S4: the other end is another process that writes garbage all over the ring
// while an honest end works. Every call ends, as documented.
func TestHostilePeer(t *testing.T) {
	const rings = 4
	eachStrategy(t, func(t *testing.T, s Strategy) {
		var files []*os.File
		var ps []*Producer
		var cs []*Consumer
		for range rings {
			r, err := New("", &Options{Capacity: minCapacity, Strategy: s})
			require.NoError(t, err)
			// Close may say that the garbage looks like a role of this process.
			t.Cleanup(func() {
				r.h.producer.Word.Store(0)
				r.h.consumer.Word.Store(0)
				require.NoError(t, r.Close())
			})
			files = append(files, r.File())
			ps, cs = append(ps, producer(t, r)), append(cs, consumer(t, r))
		}
		v := testproc.Start(t, "vandal", testproc.Files(files...), testproc.Args(fmt.Sprint(uint32(s))))
		v.Expect("ready")
		corrupt := 0
		for i := range rings {
			produces := async(func() ([]byte, error) {
				for n := range 2000 {
					ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
					err := ps[i].Send(ctx, message(n)[:min(len(message(n)), 500)])
					cancel()
					if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrClosed) || !expected(err) {
						return nil, err
					}
				}
				return nil, nil
			})
			consumes := async(func() ([]byte, error) {
				for range 2000 {
					ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
					b, err := cs[i].Next(ctx)
					cancel()
					if len(b) > 0 {
						_ = b[len(b)-1]
					}
					cs[i].Release()
					if errors.Is(err, ErrCorrupt) || !expected(err) {
						return nil, err
					}
				}
				return nil, nil
			})
			for _, done := range []<-chan result{produces, consumes} {
				err := get(t, done).err
				require.True(t, expected(err), "%v", err)
				if errors.Is(err, ErrCorrupt) {
					corrupt++
				}
			}
		}
		require.Positive(t, corrupt, "it was noticed at least once")
		v.Kill()
		v.Wait()
	})
}

// What is written into the header after the roles were taken.
func TestCorruptHeader(t *testing.T) {
	for name, spoil := range map[string]func(h *header){
		"tail beyond":      func(h *header) { h.tail.Store(h.head.Load() + minCapacity + 8) },
		"tail behind":      func(h *header) { h.tail.Store(h.head.Load() - 8) },
		"tail between":     func(h *header) { h.tail.Store(h.tail.Load() + 4) },
		"tail everywhere":  func(h *header) { h.tail.Store(1<<64 - 1) },
		"length too large": nil,
	} {
		t.Run("consumer/"+name, func(t *testing.T) {
			p, c := pair(t, &Options{Capacity: minCapacity})
			if spoil == nil {
				require.NoError(t, p.Send(t.Context(), []byte("12345678")))
				binary.LittleEndian.PutUint64(p.data, 9)
			} else {
				spoil(p.ring.h)
			}
			for range 2 {
				_, err := c.Recv(t.Context(), nil)
				require.ErrorIs(t, err, ErrCorrupt)
				_, err = c.Next(t.Context())
				require.ErrorIs(t, err, ErrCorrupt)
				_, err = c.TryRecv(nil)
				require.ErrorIs(t, err, ErrCorrupt)
				_, err = c.RecvBatch(t.Context(), make([][]byte, 2))
				require.ErrorIs(t, err, ErrCorrupt)
				for _, err := range c.All(t.Context()) {
					require.ErrorIs(t, err, ErrCorrupt)
				}
				c.Release()
			}
		})
	}
	for name, head := range map[string]uint64{"ahead": 2 * minCapacity, "behind": 1<<64 - 8, "everywhere": 1 << 63} {
		t.Run("producer/head "+name, func(t *testing.T) {
			p, _ := pair(t, &Options{Capacity: minCapacity})
			require.NoError(t, p.Send(t.Context(), []byte("12345678")))
			p.ring.h.head.Store(head)
			fillUntilLooked(t, p)
			for range 2 {
				require.ErrorIs(t, p.Send(t.Context(), nil), ErrCorrupt)
				require.ErrorIs(t, p.TrySend(nil), ErrCorrupt)
				_, err := p.Reserve(t.Context(), 1)
				require.ErrorIs(t, err, ErrCorrupt)
				_, err = p.SendBatch(t.Context(), [][]byte{nil})
				require.ErrorIs(t, err, ErrCorrupt)
			}
		})
	}
	// A batch that meets a bad length delivers what came before it.
	p, c := pair(t, &Options{Capacity: minCapacity})
	for range 3 {
		require.NoError(t, p.Send(t.Context(), []byte("12345678")))
	}
	binary.LittleEndian.PutUint64(p.data[32:], 1<<63)
	n, err := c.RecvBatch(t.Context(), make([][]byte, 5))
	require.NoError(t, err)
	require.Equal(t, 2, n)
	_, err = c.RecvBatch(t.Context(), make([][]byte, 5))
	require.ErrorIs(t, err, ErrCorrupt)
}

// fillUntilLooked sends until the producer has to look at the head again.
func fillUntilLooked(t *testing.T, p *Producer) {
	for range minCapacity {
		if err := p.TrySend([]byte("12345678")); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
	}
	t.Fatal("the producer never looked")
}
