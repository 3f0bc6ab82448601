package ringbuf

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
)

// callExpected says whether a call among garbage may end so.
func callExpected(err error) bool {
	var failed *CallError
	if err == nil || errors.As(err, &failed) {
		return true
	}
	for _, ok := range []error{
		ErrCorrupt, ErrClosed, ErrPeerDied, ErrNoServer, ErrTooLarge, ErrNoSpace, ErrTooManyProcesses,
		context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, ok) {
			return true
		}
	}
	return false
}

// quietLog drops what is logged.
var quietLog = slog.New(slog.NewTextHandler(io.Discard, nil))

// Writes garbage over the object that it was given, but not its header, until it is killed.
var _ = testproc.Helper("call.vandal", func(c *testproc.Child) {
	f, err := os.OpenFile("/dev/shm/"+c.Args[0], os.O_RDWR, 0)
	require.NoError(c, err)
	size, err := shmfile.Size(f)
	require.NoError(c, err)
	b, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(c, err)
	src := rand.New(rand.NewPCG(uint64(number(c, 1)), 1))
	var words []int // which others write often
	for at := 128; at < 384+2*256; at += 8 {
		words = append(words, at)
	}
	for client := range 2 {
		for at := range int(unsafe.Sizeof(clientSeat{})) / 8 {
			words = append(words, callHeadSize+client*callSeatSize+8*at)
		}
	}
	c.WriteLine("ready")
	for i := 0; ; i++ {
		at := words[src.IntN(len(words))]
		x := src.Uint64() >> src.IntN(64)
		switch old := binary.NativeEndian.Uint64(b[at:]); i % 4 {
		case 0:
			x = old ^ 1<<src.IntN(64)
		case 1:
			x = old&^0xffffffff | x&0xfff
		}
		binary.NativeEndian.PutUint64(b[at:], x)
		if i%64 == 0 { // the honest ones get somewhere now and then
			time.Sleep(50 * time.Microsecond) // sleep: lets the others run
		}
	}
})

// S4: another process writes garbage all over the object while calls run. Every call ends as
// documented, and so does Serve.
func TestCallHostilePeer(t *testing.T) {
	corrupt := 0
	for seed := range 3 {
		name := callName(t)
		ctx, cancel := context.WithCancel(t.Context())
		served := async(func() ([]byte, error) {
			return nil, Serve(ctx, name, callHandler, &ServeOptions{MaxMessage: 1 << 16, Clients: 2, Workers: 3, ErrorLog: quietLog})
		})
		c, err := Dial(bounded(t), name, &DialOptions{Wait: true})
		require.NoError(t, err)
		vandal := testproc.Start(t, "call.vandal", testproc.Args(name, string(rune('1'+seed))))
		vandal.Expect("ready")
		for n := range 400 {
			calls := make([]<-chan result, 3)
			for i := range calls {
				calls[i] = async(func() ([]byte, error) {
					ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
					defer cancel()
					return c.Call(ctx, cut(n+i, callSizesTested[(n+i)%len(callSizesTested)]))
				})
			}
			for _, done := range calls {
				r := get(t, done)
				require.True(t, callExpected(r.err), "%v", r.err)
				require.True(t, r.err == nil || r.b == nil, "error XOR value")
				if errors.Is(r.err, ErrCorrupt) {
					corrupt++
				}
			}
			_ = c.String()
		}
		vandal.Kill()
		vandal.Wait()
		testproc.Within(t, func() {
			for c.Close() != nil {
				c.seat.Word.Store(0) // the garbage may look like a part of this process
			}
		})
		// Serve may have found itself without its seat; it ends with its context.
		cancel()
		err = get(t, served).err
		require.True(t, callExpected(err) || errors.Is(err, ErrBusy), "%v", err)
	}
	require.Positive(t, corrupt, "it was noticed at least once")
}

var callFuzzSpec = func() shmfile.Spec {
	_, _, size, err := callSizes(2*callPage, 2)
	if err != nil {
		panic(err)
	}
	return shmfile.Spec{Kind: shmfile.KindCalls, Size: int64(size), Sizes: [2]uint64{2 * callPage, 2}}
}()

// Random bytes anywhere in the object while a client calls and a server serves: each call ends,
// with an error or with a reply that could have been sent, and nobody panics.
func FuzzCalls(f *testing.F) {
	f.Add([]byte("\x00\x05\x01\x00\x00\x05\x02\x06"))
	f.Add([]byte("\x01\x23\x80\x02\x00\x00\x00\x00\x00\x00\x00\x01\x00\x40\x01\x23\x80\x03\x00\x00\x00\x00\x00\x00\x00\x02\x03"))
	f.Add([]byte("\x01\x22\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x01\x21\x80\xff\xff\xff\xff\xff\xff\xff\xff\x03"))
	f.Add([]byte("\x02\x02\x02\x04\x04\x02\x03\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := script(b)
		head, err := shmfile.NewHeader(callFuzzSpec)
		require.NoError(t, err)
		file, err := newCallFile("fuzz", anonymous(t, head, callFuzzSpec.Size))
		require.NoError(t, err)
		defer func() { // garbage may look like a part of this process
			for i := range file.servers {
				file.servers[i].Word.Store(0)
			}
			for i := range file.clients {
				file.clients[i].Word.Store(0)
			}
			require.NoError(t, file.close())
		}()
		board := file.callBoard
		memory := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(file.m.Bytes()))), (callHeadSize+2*callSeatSize)/8)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
		defer cancel()
		c := &callClient{callBoard: board}
		require.NoError(t, c.joinClient(ctx))
		v := newCallServer(board, respond(callHandler))
		require.NoError(t, v.enter(ctx, 2))
		other := &callClient{callBoard: board}
		for range 60 {
			if len(s) == 0 {
				break
			}
			switch s.byte() % 8 {
			case 0: // a word that both write
				memory[(callHeadSize+int(s.byte())*8%callSeatSize)/8] = s.uint(8)
			case 1: // any word behind the header
				memory[16+int(s.uint(2))%(len(memory)-16)] = s.uint(8)
			case 2, 3:
				request, served := make([]byte, s.uint(2)%(2*callPage+2)), make(chan bool)
				go func() {
					defer close(served)
					for range 20 {
						v.workers[0].serve()
					}
				}()
				reply, err := func() ([]byte, error) {
					ctx, cancel := context.WithTimeout(context.Background(), 500*time.Microsecond)
					defer cancel()
					k := -1
					return c.call(ctx, &k, nil, request)
				}()
				<-served
				require.True(t, callExpected(err), "%v", err)
				require.LessOrEqual(t, len(reply), 2*callPage)
			case 4:
				v.attend(ctx)
				v.workers[1].serve()
			case 5:
				if err := other.joinClient(ctx); err == nil {
					other.leaveClient()
				} else {
					require.True(t, callExpected(err), "%v", err)
				}
			case 6:
				if i, err := board.joinServer(ctx); err == nil {
					board.leaveServer(i)
				} else {
					require.True(t, callExpected(err), "%v", err)
				}
			case 7:
				c.reclaim()
				_ = c.reclaimable()
				_ = v.anyAsked()
			}
		}
		c.leaveClient()
		v.leave()
	})
}

// A header with any bytes in it: an object that works, or an error.
func FuzzDial(f *testing.F) {
	f.Add(int64(1<<17), []byte{})
	f.Add(int64(1<<17), []byte{32, 0, 33, 1})
	f.Add(int64(1<<20), []byte{40, 3})
	f.Add(int64(100), []byte{12, 5})
	head, err := shmfile.NewHeader(shmfile.Spec{Kind: shmfile.KindCalls, Size: 1 << 17, Sizes: [2]uint64{64, 2}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, size int64, edits []byte) {
		b := append([]byte(nil), head...)
		for i := 0; i+1 < len(edits); i += 2 {
			b[int(edits[i])%len(b)] = edits[i+1]
		}
		file, err := newCallFile("fuzz", anonymous(t, b, min(max(size, 0), 1<<22)))
		if err != nil {
			require.Nil(t, file, "error XOR value")
			return
		}
		require.LessOrEqual(t, len(file.clients), maxCallClients)
		c := &callClient{callBoard: file.callBoard}
		require.NoError(t, c.joinClient(t.Context()))
		c.leaveClient()
		require.NoError(t, file.close())
	})
}
