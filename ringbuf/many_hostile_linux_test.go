package ringbuf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
)

// manyExpected says whether an operation on a ring full of garbage may end so.
func manyExpected(err error) bool {
	return expected(err) || errors.Is(err, ErrTooManyProcesses) || errors.Is(err, ErrTruncated)
}

// quiesce makes the garbage in r's presences no role of this process, which Close may
// refuse to forget.
func quiesce(r *Ring) {
	for i := range r.many.lanes {
		r.many.lanes[i].Word.Store(0)
	}
	for x := range r.many.seats {
		r.many.seats[x].Word.Store(0)
	}
}

// manyWords are where the head, the seats and the lanes of a ring have words that
// processes write.
func manyWords(g geometry) (at []int) {
	at = append(at, 256, 384, 512, 640, 768)
	for x := range g.seats {
		seat := sharedHead + x*seatSize
		for off := 0; off < 64; off += 8 {
			at = append(at, seat+off)
		}
		at = append(at, seat+64, seat+128)
	}
	for i := range g.lanes {
		lane := sharedHead + g.seats*seatSize + i*laneSize
		for off := 0; off < 64; off += 8 {
			at = append(at, lane+off)
		}
		at = append(at, lane+128, lane+152, lane+160, lane+256, lane+384, lane+392, lane+400)
		table := g.at(i)
		for k := range 4 { // the last are the first to be used
			for off := 0; off < extentSize; off += 8 {
				at = append(at, table+(g.table-1-k)*extentSize+off)
			}
		}
		for off := 0; off < 512; off += 8 {
			at = append(at, g.at(i)+g.slots+off)
		}
	}
	return at
}

var hostileOptions = Options{Mode: MPMC, Capacity: minCapacity, Producers: 3, Consumers: 3, MaxMessage: 100_000}

// Random bytes anywhere in a ring while its ends work: each call ends, with an error or
// with a value that could have been sent, and none panics.
func FuzzSharedRing(f *testing.F) {
	f.Add([]byte("\x00\x02\x10\x03\x02\x20\x03\x03\x04\x05"))
	f.Add([]byte("\x03\x02\x10\x08\xff\x04\x09\x0a\x06\x0b\x01"))
	f.Add([]byte("\x01\x02\x10\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00\x01\x03\x05\x0c\x0d")) // a head
	f.Add([]byte("\x02\x09\xff\xff\x01\x50\x00\x00\x00\x00\x00\x00\x00\x02\x03\x0c\x03\x0d\x03"))
	f.Add([]byte("\x05\x08\x40\x01\x30\x80\x00\x00\x00\x00\x00\xff\xf8\x0c\x0d\x03\x0e\x03"))
	// Something is offered in a ring that does not redeliver: nobody waits for it.
	f.Add([]byte("\x02\t\xff\xff\x01\xef\xef\xef\xefP\x00\x00\xff\xe8\x00\x00\x00\x02\x03\x1a\x1a\x1a\x1a\x1a\x1a\f\x03\r\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := script(b)
		o := hostileOptions
		kind := s.byte()
		o.Strategy, o.Redeliver = strategies[int(kind)%3], kind&4 != 0
		r, err := New("", &o)
		require.NoError(t, err)
		defer func() {
			quiesce(r)
			require.NoError(t, r.Close())
		}()
		p, c := producer(t, r), consumer(t, r)
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		words := manyWords(r.many.geo)
		msg := make([]byte, o.MaxMessage+1)
		sent := func(err error) { require.True(t, manyExpected(err), "%v", err) }
		received := func(b []byte, err error) {
			sent(err)
			if err != nil {
				require.Empty(t, b, "error XOR value")
			}
			require.LessOrEqual(t, len(b), o.MaxMessage)
		}
		for range 200 {
			if len(s) == 0 {
				break
			}
			switch s.byte() % 16 {
			case 0, 1:
				at := words[s.uint(2)%uint64(len(words))]
				binary.NativeEndian.PutUint64(r.many.bytes[at:], s.uint(8))
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
				_, err := p.SendBatch(ctx, [][]byte{msg[:s.byte()], msg[:s.uint(2)]})
				sent(err)
			case 9:
				sent(p.TrySend(msg[:1<<16+s.uint(2)/2]))
			case 10:
				n, err := c.RecvBatch(ctx, make([][]byte, 3))
				sent(err)
				require.Equal(t, err != nil, n == 0, "error XOR value")
			case 11:
				_, err := p.Reserve(ctx, int(s.uint(2)))
				sent(err)
				sent(p.Commit(int(s.byte())))
			case 12:
				require.NoError(t, p.Close())
				q, err := r.Producer()
				sent(err)
				if err == nil {
					p = q
				}
			case 13:
				require.NoError(t, c.Close())
				d, err := r.Consumer()
				sent(err)
				if err == nil {
					c = d
				}
			case 14:
				if s.byte()%8 == 0 {
					sent(p.CloseSend())
				}
			case 15: // a small change, which is the likelier to be taken for good
				at := words[s.uint(2)%uint64(len(words))]
				w := binary.NativeEndian.Uint64(r.many.bytes[at:])
				binary.NativeEndian.PutUint64(r.many.bytes[at:], w+s.uint(1)-128)
			}
		}
		require.NotEmpty(t, r.String())
	})
}

// The seeds of FuzzSharedRing and more, made at random.
func TestManyGarbage(t *testing.T) {
	src := rand.New(rand.NewPCG(7, 7))
	for range 150 {
		o := hostileOptions
		o.Redeliver, o.Strategy = src.IntN(2) == 0, strategies[src.IntN(3)]
		o.MaxMessages = src.IntN(2) * 8
		r, err := New("", &o)
		require.NoError(t, err)
		p, c := producer(t, r), consumer(t, r)
		for n := range 5 {
			require.NoError(t, p.Send(bounded(t), make([]byte, []int{16, 2000, 100_000, 1000, 30_000}[n])))
		}
		words := manyWords(r.many.geo)
		for range 1 + src.IntN(4) {
			at := words[src.IntN(len(words))]
			x := src.Uint64() >> src.IntN(64)
			if src.IntN(2) == 0 {
				x = binary.NativeEndian.Uint64(r.many.bytes[at:]) + x%64 - 32
			}
			binary.NativeEndian.PutUint64(r.many.bytes[at:], x)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		bufs := make([][]byte, 2)
		for k := range 4 {
			_, err := c.Recv(ctx, nil)
			require.True(t, manyExpected(err), "%v", err)
			_, err = c.Next(ctx)
			require.True(t, manyExpected(err), "%v", err)
			c.Release()
			_, err = c.RecvBatch(ctx, bufs)
			require.True(t, manyExpected(err), "%v", err)
			err = p.Send(ctx, make([]byte, 1<<(4*k)))
			require.True(t, manyExpected(err), "%v", err)
		}
		require.GreaterOrEqual(t, r.Stats().Queued, 0)
		require.NoError(t, p.Close())
		require.NoError(t, c.Close())
		for range o.Producers {
			_, err := r.Producer()
			require.True(t, manyExpected(err), "%v", err)
			_, err = r.Consumer()
			require.True(t, manyExpected(err), "%v", err)
		}
		cancel()
		quiesce(r)
		require.NoError(t, r.Close())
	}
}

// Writes garbage over the rings that it was given, until it is killed.
var _ = testproc.Helper("many.vandal", func(c *testproc.Child) {
	var maps [][]byte
	for _, f := range c.Files {
		st, err := f.Stat()
		require.NoError(c, err)
		b, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(c, err)
		maps = append(maps, b)
	}
	o := hostileOptions
	require.NoError(c, o.checkModes())
	g, err := geometryOf(o, 0)
	require.NoError(c, err)
	words := manyWords(g)
	src := rand.New(rand.NewPCG(uint64(number(c, 0)), 1))
	c.WriteLine("ready")
	for i := 0; ; i++ {
		b := maps[i%len(maps)]
		at := words[src.IntN(len(words))]
		if at == 256 && i%64 != 0 { // the end of the stream is the end of the test
			continue
		}
		x := src.Uint64() >> src.IntN(64)
		if src.IntN(2) == 0 {
			x = binary.NativeEndian.Uint64(b[at:]) + x%64 - 32
		}
		binary.NativeEndian.PutUint64(b[at:], x)
	}
})

// S4: another process writes garbage all over the ring while honest ends work. Every
// call ends, as documented.
func TestManyHostilePeer(t *testing.T) {
	const rings = 3
	for i, redeliver := range []bool{false, true} {
		for _, s := range strategies {
			t.Run(fmt.Sprintf("%v/redeliver=%v", s, redeliver), func(t *testing.T) {
				o := hostileOptions
				o.Strategy, o.Redeliver = s, redeliver
				var rs []*Ring
				var files []*os.File
				for range rings {
					r, err := New("", &o)
					require.NoError(t, err)
					rs, files = append(rs, r), append(files, r.File())
				}
				v := testproc.Start(t, "many.vandal", testproc.Files(files...), testproc.Args(fmt.Sprint(int(s)*2+i)))
				v.Expect("ready")
				corrupt := 0
				for _, r := range rs {
					var calls []<-chan result
					for range 2 {
						calls = append(calls, async(func() ([]byte, error) { return nil, abused(r, true) }))
						calls = append(calls, async(func() ([]byte, error) { return nil, abused(r, false) }))
					}
					for _, done := range calls {
						err := get(t, done).err
						require.True(t, manyExpected(err), "%v", err)
						if errors.Is(err, ErrCorrupt) {
							corrupt++
						}
					}
				}
				require.Positive(t, corrupt, "it was noticed at least once")
				v.Kill()
				v.Wait()
				for _, r := range rs {
					quiesce(r)
					require.NoError(t, r.Close())
				}
			})
		}
	}
}

// abused works as a producer or consumer of a ring that is full of garbage, a new one
// whenever it breaks. It returns an error that may not be, or else ErrCorrupt if that
// was seen.
func abused(r *Ring, sends bool) (seen error) {
	one := func(call func(ctx context.Context) error) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		return call(ctx)
	}
	for range 5 {
		var call func(ctx context.Context, k int) error
		var closes func() error
		var err error
		if sends {
			var p *Producer
			if p, err = r.Producer(); err == nil {
				closes = p.Close
				call = func(ctx context.Context, k int) error {
					_, err := manySend(ctx, p, 1, k, 100)
					return err
				}
			}
		} else {
			var c *Consumer
			if c, err = r.Consumer(); err == nil {
				closes = c.Close
				call = func(ctx context.Context, k int) error {
					return manyReceive(ctx, c, k, func([]byte, bool) {})
				}
			}
		}
		for k := 0; err == nil && k < 30; k++ {
			if err = one(func(ctx context.Context) error { return call(ctx, k) }); errors.Is(err, context.DeadlineExceeded) {
				err = nil
			}
		}
		if closes != nil {
			_ = closes()
		}
		switch {
		case !manyExpected(err):
			return err
		case errors.Is(err, ErrCorrupt):
			seen = err
		}
	}
	return seen
}

// What is written into a ring after the ends have joined.
func TestManyCorrupt(t *testing.T) {
	for name, spoil := range map[string]func(l *lane, s *shared){
		"tail beyond":      func(l *lane, _ *shared) { l.tail.Store(l.head.Load() + minCapacity + 8) },
		"tail behind":      func(l *lane, _ *shared) { l.tail.Store(l.head.Load() - 8) },
		"tail between":     func(l *lane, _ *shared) { l.tail.Store(l.tail.Load() + 4) },
		"head between":     func(l *lane, _ *shared) { l.head.Store(minCapacity - 4); l.tail.Store(minCapacity + 4) },
		"head at the edge": func(l *lane, _ *shared) { l.head.Store(minCapacity - 1); l.tail.Store(minCapacity + 63) },
		"cut between":      func(l *lane, s *shared) { s.h.ended.Store(1); l.cut.Store(15) },
		"cut beyond":       func(l *lane, s *shared) { s.h.ended.Store(1); l.cut.Store(1 << 40) },
		"length":           func(_ *lane, s *shared) { s.record(0).Store(inlineMost + 1) },
		"filler":           func(_ *lane, s *shared) { s.record(0).Store(kindFiller | 8) },
		"kind":             func(_ *lane, s *shared) { s.record(0).Store(kindMask) },
		"entry":            func(_ *lane, s *shared) { s.record(0).Store(kindExtent | 1<<20) },
		"generation":       func(_ *lane, s *shared) { s.record(0).Store(kindExtent); s.record(8).Store(uint64(oneUse)) },
	} {
		t.Run("consumer/"+name, func(t *testing.T) {
			o := hostileOptions
			r := ring(t, &o)
			p, c, d := producer(t, r), consumer(t, r), consumer(t, r)
			require.NoError(t, p.Send(bounded(t), []byte("12345678")))
			spoil(p.lane.l, r.many)
			for range 2 {
				_, err := c.Recv(bounded(t), nil)
				require.ErrorIs(t, err, ErrCorrupt)
				_, err = c.Next(bounded(t))
				require.ErrorIs(t, err, ErrCorrupt)
				_, err = c.TryRecv(nil)
				require.ErrorIs(t, err, ErrCorrupt)
				_, err = c.RecvBatch(bounded(t), make([][]byte, 2))
				require.ErrorIs(t, err, ErrCorrupt)
				c.Release()
			}
			_, err := d.RecvBatch(bounded(t), make([][]byte, 2))
			require.ErrorIs(t, err, ErrCorrupt)
		})
	}
	for name, spoil := range map[string]func(l *lane, s *shared){
		"tail between": func(l *lane, _ *shared) { l.tail.Store(l.tail.Load() + 4) },
		"tail beyond":  func(l *lane, _ *shared) { l.tail.Store(l.head.Load() + minCapacity + 8) },
		"no mark":      func(l *lane, _ *shared) { l.mark[0].Store(1 << 40); l.mark[1].Store(1 << 41) },
		"extent at the end": func(l *lane, s *shared) {
			l.head.Store(minCapacity - 8)
			l.tail.Store(minCapacity)
			l.mark[0].Store(minCapacity / 8 << 32)
			s.record(minCapacity - 8).Store(kindExtent)
		},
		"overlap": func(_ *lane, s *shared) {
			for k := range 2 {
				s.table(0)[k].state.Store(uint64(heldBy(9)))
				s.table(0)[k].length.Store(5)
			}
		},
		"offset": func(_ *lane, s *shared) {
			s.table(0)[0].state.Store(uint64(heldBy(9)))
			s.table(0)[0].offset.Store(^uint64(63))
		},
	} {
		t.Run("joining/"+name, func(t *testing.T) {
			o := hostileOptions
			r := ring(t, &o)
			p := producer(t, r)
			require.NoError(t, p.Send(bounded(t), []byte("12345678")))
			require.NoError(t, p.Close())
			spoil(&r.many.lanes[0], r.many)
			for range 2 {
				_, err := r.Producer()
				require.ErrorIs(t, err, ErrCorrupt)
				require.Equal(t, robust.Vacant, robust.StateOf(r.many.lanes[0].Word.Load()), "it has left again")
			}
		})
	}
	for name, head := range map[string]uint64{"ahead": 2 * minCapacity, "behind": 1<<64 - 8, "everywhere": 1 << 63} {
		t.Run("producer/head "+name, func(t *testing.T) {
			o := hostileOptions
			r := ring(t, &o)
			p := producer(t, r)
			require.NoError(t, p.Send(bounded(t), []byte("12345678")))
			p.lane.l.head.Store(head)
			var err error
			for range minCapacity {
				if err = p.TrySend([]byte("12345678")); err != nil {
					break
				}
			}
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorIs(t, p.Send(bounded(t), nil), ErrCorrupt)
			_, err = p.Reserve(bounded(t), 1)
			require.ErrorIs(t, err, ErrCorrupt)
			_, err = p.SendBatch(bounded(t), [][]byte{nil})
			require.ErrorIs(t, err, ErrCorrupt)
		})
	}
}

// record is the word at at of the first lane's records.
func (s *shared) record(at int) interface{ Store(uint64) } {
	return wordAt(s.bytes[s.geo.at(0)+s.geo.slots+at:])
}

// Where an extent lies is read once, and checked.
func TestManyCorruptExtent(t *testing.T) {
	for name, spoil := range map[string]func(e *extent){
		"offset": func(e *extent) { e.offset.Store(1 << 40) },
		"length": func(e *extent) { e.length.Store(uint64(hostileOptions.MaxMessage) + 1) },
		"both":   func(e *extent) { e.offset.Store(^uint64(0)); e.length.Store(2) },
	} {
		t.Run(name, func(t *testing.T) {
			o := hostileOptions
			r := ring(t, &o)
			p, c := producer(t, r), consumer(t, r)
			require.NoError(t, p.Send(bounded(t), make([]byte, 5000)))
			table := r.many.table(0)
			for k := range table {
				if extentState(table[k].state.Load()).phase() == phaseReady {
					spoil(&table[k])
				}
			}
			_, err := c.Next(bounded(t))
			require.ErrorIs(t, err, ErrCorrupt)
			require.NoError(t, c.Close())
		})
	}
}

// The file is truncated while ends have it mapped: whatever they touch says so, and
// Close works.
func TestManyTruncated(t *testing.T) {
	faultsAreSeen(t)
	for name, size := range map[string]int64{"to nothing": 0, "to the head": 1 << 16} {
		t.Run(name, func(t *testing.T) {
			o := hostileOptions
			r := namedRing(t, newName(t), &o)
			p, c := producer(t, r), consumer(t, r)
			ctx := bounded(t)
			require.NoError(t, p.Send(ctx, make([]byte, 5000)))
			require.NoError(t, p.Send(ctx, []byte("x")))
			_, err := c.Next(ctx)
			require.NoError(t, err)
			require.NoError(t, r.File().Truncate(size))
			c.Release()
			for range 2 {
				_, err = c.Recv(ctx, nil)
				require.ErrorIs(t, err, ErrTruncated)
				_, err = c.RecvBatch(ctx, [][]byte{nil})
				require.ErrorIs(t, err, ErrTruncated)
				_, err = c.TryRecv(nil)
				require.ErrorIs(t, err, ErrTruncated)
				require.ErrorIs(t, p.Send(ctx, make([]byte, 100)), ErrTruncated)
				require.ErrorIs(t, p.TrySend(make([]byte, 10000)), ErrTruncated)
				_, err = p.SendBatch(ctx, [][]byte{make([]byte, 10000)})
				require.ErrorIs(t, err, ErrTruncated)
				_, err = p.Reserve(ctx, 10000)
				require.ErrorIs(t, err, ErrTruncated)
			}
			require.NotEmpty(t, r.String())
			testproc.Within(t, func() {
				if err := errors.Join(p.Close(), c.Close(), r.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// The file is truncated while an end sleeps: it hears of it, or Close ends its sleep,
// whatever is faster.
func TestManyTruncatedAsleep(t *testing.T) {
	faultsAreSeen(t)
	for _, closes := range []bool{false, true} {
		for _, sends := range []bool{false, true} {
			o := hostileOptions
			o.Strategy = Block
			r := namedRing(t, newName(t), &o)
			p, c := producer(t, r), consumer(t, r)
			var done <-chan result
			if sends {
				fillMany(t, p, 1000)
				done = async(func() ([]byte, error) { return nil, p.Send(bounded(t), make([]byte, 1000)) })
				until(t, func() bool { return p.lane.l.asleep.Load() != awake })
			} else {
				done = async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
				until(t, func() bool { return c.lane.seat.asleep.Load() != 0 })
			}
			require.NoError(t, r.File().Truncate(0))
			if closes {
				testproc.Within(t, func() {
					if err := r.Close(); err != nil {
						t.Error(err)
					}
				})
				err := get(t, done).err
				require.True(t, errors.Is(err, ErrTruncated) || errors.Is(err, ErrClosed), "%v", err)
			} else {
				require.ErrorIs(t, get(t, done).err, ErrTruncated)
			}
		}
	}
}
