package ringbuf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
)

func exchange(t testing.TB, name string, o *ExchangeOptions) *Exchange {
	t.Helper()
	e, err := NewExchange(name, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

// lobby is a server in this process, whose calls wait until somebody ends them.
type lobby struct {
	t    testing.TB
	e    *Exchange
	stop func()

	mu        sync.Mutex
	replies   map[string]*Reply
	from      map[string]ClientID
	withdrawn []string
	gone      []ClientID
}

// lobbyOf serves e. Calls that begin with "wait" are put off, others answered.
func lobbyOf(t testing.TB, e *Exchange) *lobby {
	l := &lobby{t: t, e: e, replies: map[string]*Reply{}, from: map[string]ClientID{}}
	l.stop = serveExchange(t, e, l.respond, &ServeOptions{Gone: func(id ClientID) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.gone = append(l.gone, id)
	}})
	return l
}

func serveExchange(t testing.TB, e *Exchange, h Responder, o *ServeOptions) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := async(func() ([]byte, error) { return nil, e.Serve(ctx, h, o) })
	var once sync.Once
	stop = func() {
		cancel()
		once.Do(func() {
			require.Equal(t, context.Canceled, get(t, done).err)
		})
	}
	t.Cleanup(stop)
	until(t, func() bool { return e.file.look().present })
	return stop
}

func (l *lobby) respond(c *Call) ([]byte, error) {
	name := string(c.Request())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from[name] = c.From()
	if !bytes.HasPrefix(c.Request(), []byte("wait")) {
		return callAnswer(c.Request()), nil
	}
	l.replies[name] = c.Later(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.withdrawn = append(l.withdrawn, name)
	})
	return []byte("ignored"), errors.New("ignored")
}

// has waits until a call has come.
func (l *lobby) has(name string) (r *Reply) {
	l.t.Helper()
	until(l.t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		r = l.replies[name]
		return r != nil
	})
	return r
}

func (l *lobby) hears(cond func() bool) {
	l.t.Helper()
	until(l.t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return cond()
	})
}

func clientOf(t testing.TB, e *Exchange) *Client {
	t.Helper()
	c, err := e.Client(bounded(t), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func calls(t testing.TB, c *Client, request string) <-chan result {
	return async(func() ([]byte, error) { return c.Call(bounded(t), []byte(request)) })
}

// Calls through an exchange whose descriptor it was given, as it is told.
var _ = testproc.Helper("exchange.client", func(c *testproc.Child) {
	e, err := OpenExchangeFile(c.Files[0])
	require.NoError(c, err)
	client, err := e.Client(context.Background(), nil)
	require.NoError(c, err)
	require.NoError(c, e.Close()) // the client goes on
	c.WriteLine("%d", client.ID())
	for line := c.ReadLine(); line != "end"; line = c.ReadLine() {
		b, err := client.Call(context.Background(), []byte(line))
		c.WriteLine("%s %v", b, err)
	}
	require.NoError(c, client.Close())
})

// Serves an exchange, and puts all off.
var _ = testproc.Helper("exchange.server", func(c *testproc.Child) {
	e, err := OpenExchangeFile(c.Files[0])
	require.NoError(c, err)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { c.Park(); cancel() }()
	err = e.Serve(ctx, func(call *Call) ([]byte, error) {
		call.Later(nil)
		c.WriteLine("has %s", call.Request())
		return nil, nil
	}, nil)
	require.ErrorIs(c, err, context.Canceled)
})

func startClient(t testing.TB, e *Exchange) (p *testproc.Proc, id ClientID) {
	p = testproc.Start(t, "exchange.client", testproc.Files(e.File()))
	_, err := fmt.Sscan(p.ReadLine(), (*uint64)(&id))
	require.NoError(t, err)
	return p, id
}

// Several processes, by a descriptor: replies at once and later, to more calls than there
// are workers, in any order.
func TestExchange(t *testing.T) {
	e := exchange(t, "", nil)
	l := lobbyOf(t, e)
	p, id := startClient(t, e)
	p.WriteLine("ab")
	p.Expect("ba <nil>")
	l.hears(func() bool { return l.from["ab"] == id })
	c := clientOf(t, e)
	require.NotEqual(t, id, c.ID())
	var waiting [callSlots]<-chan result
	for i := range waiting {
		waiting[i] = calls(t, c, fmt.Sprint("wait ", i))
	}
	p.WriteLine("wait there")
	require.True(t, l.has("wait there").Send([]byte("now"), nil))
	p.Expect("now <nil>")
	for i := len(waiting) - 1; i >= 0; i-- {
		r := l.has(fmt.Sprint("wait ", i))
		var err error
		if i%2 == 1 {
			err = errors.New("odd")
		}
		require.True(t, r.Send([]byte{byte(i)}, err))
		require.False(t, r.Send(nil, nil), "twice")
		got := get(t, waiting[i])
		if i%2 == 1 {
			var failed *CallError
			require.ErrorAs(t, got.err, &failed)
			require.Equal(t, "odd", failed.Text)
		} else {
			require.Equal(t, result{[]byte{byte(i)}, nil}, got)
		}
	}
	p.WriteLine("end")
	p.Succeed()
	l.hears(func() bool { return slices.Equal(l.gone, []ClientID{id}) })
	require.NoError(t, c.Close())
	l.hears(func() bool { return slices.Equal(l.gone, []ClientID{id, c.ID()}) })
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Empty(t, l.withdrawn)
}

// A caller gives up: the server hears of it once, and Send says so.
func TestLaterCancelled(t *testing.T) {
	e := exchange(t, "", nil)
	l := lobbyOf(t, e)
	c := clientOf(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	done := async(func() ([]byte, error) { return c.Call(ctx, []byte("wait")) })
	r := l.has("wait")
	cancel()
	require.ErrorIs(t, get(t, done).err, context.Canceled)
	l.hears(func() bool { return len(l.withdrawn) == 1 })
	require.EqualValues(t, 1, c.own.withheld.Load(), "its slot is the server's still")
	require.False(t, r.Send(make([]byte, 1000), nil))
	c.reclaim()
	require.Zero(t, c.own.withheld.Load())
	_, err := c.Call(bounded(t), []byte("ab"))
	require.NoError(t, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Len(t, l.withdrawn, 1)
	require.Empty(t, l.gone)
}

// A client that is killed while its call is put off; its seat's next one is another one.
func TestLaterClientKilled(t *testing.T) {
	e := exchange(t, "", &ExchangeOptions{Clients: 1})
	l := lobbyOf(t, e)
	p, id := startClient(t, e)
	p.WriteLine("wait")
	r := l.has("wait")
	p.Kill()
	l.hears(func() bool { return slices.Equal(l.gone, []ClientID{id}) && len(l.withdrawn) == 1 })
	c := clientOf(t, e)
	require.NotEqual(t, id, c.ID())
	require.Equal(t, id.seat(), c.ID().seat())
	reply, err := c.Call(bounded(t), []byte("ab"))
	require.NoError(t, err)
	require.Equal(t, "ba", string(reply))
	require.EqualValues(t, 1, c.own.withheld.Load())
	require.False(t, r.Send([]byte("late"), nil))
	c.reclaim()
	require.Zero(t, c.own.withheld.Load())
	require.NoError(t, c.Close())
	l.hears(func() bool { return slices.Equal(l.gone, []ClientID{id, c.ID()}) && len(l.withdrawn) == 1 })
}

// A client that is stopped has its call, and gets the reply when it goes on.
func TestLaterClientStopped(t *testing.T) {
	e := exchange(t, "", nil)
	l := lobbyOf(t, e)
	p, _ := startClient(t, e)
	p.WriteLine("wait")
	r := l.has("wait")
	require.True(t, p.Stop())
	c := clientOf(t, e)
	_, err := c.Call(bounded(t), []byte("ab"))
	require.NoError(t, err)
	require.True(t, r.Send([]byte("here"), nil))
	p.Cont()
	p.Expect("here <nil>")
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Empty(t, l.withdrawn)
	require.Empty(t, l.gone)
}

// A server that is killed, or ends, while replies are outstanding: their callers hear of it, and
// the next server serves the same slots.
func TestLaterServerEnds(t *testing.T) {
	for _, how := range []string{"killed", "ends"} {
		t.Run(how, func(t *testing.T) {
			e := exchange(t, "", nil)
			p := testproc.Start(t, "exchange.server", testproc.Files(e.File()))
			c := clientOf(t, e)
			done := calls(t, c, "a")
			p.Expect("has a")
			if how == "killed" {
				p.Kill()
			} else {
				p.CloseStdin()
				p.Succeed()
			}
			err := get(t, done).err
			require.ErrorIs(t, err, ErrPeerDied)
			require.NotErrorIs(t, err, ErrNoServer)
			lobbyOf(t, e)
			_, err = c.Call(bounded(t), []byte("ab"))
			require.NoError(t, err)
		})
	}
}

// Nobody writes to a slot after Serve has returned, whoever sends then.
func TestSendAfterServe(t *testing.T) {
	e := exchange(t, "", nil)
	l := lobbyOf(t, e)
	c := clientOf(t, e)
	done := calls(t, c, "wait a")
	r := l.has("wait a")
	l.stop()
	require.ErrorIs(t, get(t, done).err, ErrPeerDied)
	next := lobbyOf(t, e)
	done = calls(t, c, "wait b") // in the same slot
	again := next.has("wait b")
	before := c.seat.slots[0].inline
	require.False(t, r.Send([]byte("of another call"), nil))
	require.Equal(t, before, c.seat.slots[0].inline)
	require.True(t, again.Send([]byte("its own"), nil))
	require.Equal(t, "its own", string(get(t, done).b))
}

// Replies are sent while the server ends, from many goroutines: each call ends one way.
func TestSendWhileServeEnds(t *testing.T) {
	e := exchange(t, "", nil)
	for range 20 {
		l := lobbyOf(t, e)
		c := clientOf(t, e)
		var done [callSlots]<-chan result
		var wg sync.WaitGroup
		var sent atomic.Int32
		for i := range done {
			done[i] = calls(t, c, fmt.Sprint("wait ", i))
		}
		for i := range done {
			r := l.has(fmt.Sprint("wait ", i))
			wg.Go(func() {
				if r.Send(nil, nil) {
					sent.Add(1)
				}
			})
		}
		l.stop()
		wg.Wait()
		answered := int32(0)
		for i := range done {
			if err := get(t, done[i]).err; err == nil {
				answered++
			} else {
				require.ErrorIs(t, err, ErrPeerDied)
			}
		}
		require.Equal(t, sent.Load(), answered)
		require.NoError(t, c.Close())
	}
}

// A Responder that does not come to its end behind Later: the call does, once.
func TestLaterPanics(t *testing.T) {
	e := exchange(t, "", nil)
	var kept atomic.Pointer[Reply]
	serveExchange(t, e, func(c *Call) ([]byte, error) {
		r := c.Later(nil)
		kept.Store(r)
		switch string(c.Request()) {
		case "sent":
			r.Send([]byte("first"), nil)
			panic("later")
		case "exit":
			runtime.Goexit()
		case "twice":
			c.Later(nil)
		}
		panic("now")
	}, &ServeOptions{Workers: 1, ErrorLog: slog.New(slog.DiscardHandler)})
	c := clientOf(t, e)
	for range 2 {
		for request, text := range map[string]string{"": "now", "exit": "Goexit", "twice": "put off already"} {
			_, err := c.Call(bounded(t), []byte(request))
			var failed *CallError
			require.ErrorAs(t, err, &failed)
			require.True(t, failed.Panicked)
			require.Contains(t, failed.Text, text)
			require.False(t, kept.Load().Send(nil, nil))
		}
		reply, err := c.Call(bounded(t), []byte("sent"))
		require.NoError(t, err)
		require.Equal(t, "first", string(reply))
	}
}

type badError struct{}

func (badError) Error() string { panic("no text") }

// Whatever panics that a server was given, the server goes on.
func TestServerIsGivenPanics(t *testing.T) {
	e := exchange(t, "", &ExchangeOptions{MaxMessage: 200})
	var told atomic.Int32
	var r atomic.Pointer[Reply]
	serveExchange(t, e, func(c *Call) ([]byte, error) {
		switch string(c.Request()) {
		case "error":
			return nil, badError{}
		case "undo":
			c.IfUnwanted(func() { told.Add(1); panic("undo") })
			return make([]byte, 201), nil
		case "wait":
			r.Store(c.Later(func() { told.Add(1); panic("withdrawn") }))
		}
		return nil, nil
	}, &ServeOptions{ErrorLog: slog.New(slog.DiscardHandler), Gone: func(ClientID) { told.Add(1); panic("gone") }})
	c := clientOf(t, e)
	var failed *CallError
	_, err := c.Call(bounded(t), []byte("error"))
	require.ErrorAs(t, err, &failed)
	require.True(t, failed.Panicked)
	_, err = c.Call(bounded(t), []byte("undo"))
	require.ErrorIs(t, err, ErrTooLarge)
	until(t, func() bool { return told.Load() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	done := async(func() ([]byte, error) { return c.Call(ctx, []byte("wait")) })
	until(t, func() bool { return r.Load() != nil })
	cancel()
	require.ErrorIs(t, get(t, done).err, context.Canceled)
	until(t, func() bool { return told.Load() == 2 })
	other := clientOf(t, e)
	_, err = other.Call(bounded(t), nil)
	require.NoError(t, err)
	require.NoError(t, other.Close())
	until(t, func() bool { return told.Load() == 3 })
	_, err = c.Call(bounded(t), nil)
	require.NoError(t, err)
}

// What the caller does not get is undone: it has given up, or gets an error instead.
func TestIfUnwanted(t *testing.T) {
	e := exchange(t, "", &ExchangeOptions{MaxMessage: 200})
	var undone atomic.Int32
	began := make(chan struct{})
	var late atomic.Pointer[Reply]
	serveExchange(t, e, func(c *Call) ([]byte, error) {
		c.IfUnwanted(func() { undone.Add(1) })
		switch string(c.Request()) {
		case "slow":
			began <- struct{}{}
			<-c.Context().Done()
		case "large":
			return make([]byte, 201), nil
		case "later":
			late.Store(c.Later(nil))
		}
		return nil, nil
	}, nil)
	c := clientOf(t, e)
	_, err := c.Call(bounded(t), nil)
	require.NoError(t, err)
	require.Zero(t, undone.Load())
	_, err = c.Call(bounded(t), []byte("large"))
	require.ErrorIs(t, err, ErrTooLarge)
	until(t, func() bool { return undone.Load() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	done := async(func() ([]byte, error) { return c.Call(ctx, []byte("slow")) })
	<-began
	cancel()
	require.ErrorIs(t, get(t, done).err, context.Canceled)
	until(t, func() bool { return undone.Load() == 2 })
	done = calls(t, c, "later")
	until(t, func() bool { return late.Load() != nil })
	require.False(t, late.Load().Send(make([]byte, 201), nil))
	require.ErrorIs(t, get(t, done).err, ErrTooLarge)
}

// Gone is not told while a Responder runs for a call of the dead client, which has another
// one in its place by then.
func TestGoneIsTheLast(t *testing.T) {
	e := exchange(t, "", &ExchangeOptions{Clients: 1})
	began, release := make(chan ClientID), make(chan struct{})
	var mu sync.Mutex
	var order []string
	note := func(what string, id ClientID) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, fmt.Sprint(what, " ", id))
	}
	serveExchange(t, e, func(c *Call) ([]byte, error) {
		if string(c.Request()) == "hold" {
			began <- c.From()
			<-release
		}
		note("call of", c.From())
		return nil, nil
	}, &ServeOptions{Workers: 2, Gone: func(id ClientID) { note("gone", id) }})
	p, id := startClient(t, e)
	p.WriteLine("hold")
	require.Equal(t, id, <-began)
	p.Kill()
	p.Wait()
	c := clientOf(t, e) // behind the take-over
	for range 2 {
		_, err := c.Call(bounded(t), nil)
		require.NoError(t, err)
	}
	require.NoError(t, c.Close())
	seat := &e.file.clients[0]
	until(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(order) == 3 && robust.StateOf(seat.Word.Load()) == robust.Vacant
	})
	close(release)
	until(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(order) == 5
	})
	call, other := fmt.Sprint("call of ", c.ID()), fmt.Sprint("gone ", c.ID())
	require.Equal(t, []string{call, call, other, fmt.Sprint("call of ", id), fmt.Sprint("gone ", id)}, order)
}

// A worker that was stopped between its claim and meet meets an older client than the known
// one: that one is not gone.
func TestMeetLate(t *testing.T) {
	g := &callGone{known: make([]atomic.Uint64, 2)}
	older, known := clientID(1, 1<<32-1), clientID(1, 0) // the count has come round
	w := new(callWorker)
	g.note(known)
	w.busy.Store(busyAt | 1)
	g.note(older)
	require.Equal(t, knownAs(known), g.known[1].Load())
	require.Empty(t, g.due([]*callWorker{w}))
	w.busy.Store(busyWith | uint64(older))
	require.Empty(t, g.due([]*callWorker{w}))
	w.busy.Store(busyWith | uint64(known))
	require.Equal(t, []ClientID{older}, g.due([]*callWorker{w}))
	require.False(t, g.waiting.Load())
	g.note(clientID(1, 1))
	require.Equal(t, []ClientID{known}, g.due(nil))
}

// 1000 clients: more than are watched. Each is told of once.
func TestExchangeOfThousand(t *testing.T) {
	e := exchange(t, "", &ExchangeOptions{Clients: 4096, MaxMessage: 64})
	l := lobbyOf(t, e)
	clients := map[ClientID]*Client{}
	for range 1000 {
		c, err := e.Client(bounded(t), nil)
		require.NoError(t, err)
		_, err = c.Call(bounded(t), []byte("ab"))
		require.NoError(t, err)
		clients[c.ID()] = c
	}
	require.Len(t, clients, 1000)
	p, id := startClient(t, e) // behind those that are watched
	p.WriteLine("ab")
	p.Expect("ba <nil>")
	p.Kill()
	l.hears(func() bool { return slices.Equal(l.gone, []ClientID{id}) })
	for _, c := range clients {
		require.NoError(t, c.Close())
	}
	l.hears(func() bool { return len(l.gone) == 1001 })
	for _, id := range l.gone[1:] {
		require.Contains(t, clients, id)
		delete(clients, id)
	}
	require.Empty(t, clients)
}

// Whatever is closed first, the rest goes on.
func TestExchangeClose(t *testing.T) {
	e := exchange(t, "", nil)
	require.Equal(t, `Exchange("", 64 clients at most, messages of 1048576 bytes)`, e.String())
	require.Empty(t, e.Name())
	require.NoError(t, e.Unlink())
	l := lobbyOf(t, e)
	first, second := clientOf(t, e), clientOf(t, e)
	_, err := first.Call(bounded(t), []byte("ab")) // it is being served
	require.NoError(t, err)
	require.NoError(t, e.Close())
	require.NoError(t, e.Close())
	require.Equal(t, "Exchange(closed)", e.String())
	require.ErrorIs(t, e.Serve(t.Context(), callAnswers, nil), ErrClosed)
	_, err = e.Client(t.Context(), nil)
	require.ErrorIs(t, err, ErrClosed)
	_, err = e.MarshalBinary()
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, first.Close())
	_, err = second.Call(bounded(t), []byte("ab"))
	require.NoError(t, err)
	l.stop()
	_, err = second.Call(bounded(t), []byte("ab"))
	require.ErrorIs(t, err, ErrNoServer)
	require.NoError(t, second.Close())
	require.Zero(t, e.file.users.Load())
}

func callAnswers(c *Call) ([]byte, error) { return callAnswer(c.Request()), nil }

// A named exchange is what Serve and Dial find.
func TestExchangeName(t *testing.T) {
	name := callName(t)
	e := exchange(t, name, &ExchangeOptions{MaxMessage: 1000, Clients: 3})
	require.Equal(t, name, e.Name())
	serveHere(t, name, callHandler, nil)
	c := clientOf(t, e)
	reply, err := c.Call(bounded(t), []byte("ab"))
	require.NoError(t, err)
	require.Equal(t, "ba", string(reply))
	_, err = NewExchange(name, &ExchangeOptions{Clients: 4})
	require.ErrorIs(t, err, ErrSize)
	same := exchange(t, name, nil)
	require.Equal(t, fmt.Sprintf("Exchange(%q, 3 clients at most, messages of 1000 bytes)", name), same.String())
	require.NoError(t, e.Unlink())
	require.ErrorIs(t, e.Unlink(), ErrNotExist)
}

func TestExchangeErrors(t *testing.T) {
	for _, o := range []ExchangeOptions{{Clients: 4097}, {Clients: -1}, {MaxMessage: -1}, {MaxMessage: 1 << 44}, {MaxMessage: 1 << 40, Clients: 4096}} {
		_, err := NewExchange("", &o)
		require.ErrorIs(t, err, ErrSize, "%+v", o)
	}
	_, err := NewExchange("/no", nil)
	require.ErrorIs(t, err, ErrName)
	e := exchange(t, "", nil)
	require.ErrorIs(t, e.Serve(t.Context(), nil, nil), ErrOption)
	require.ErrorIs(t, e.Serve(t.Context(), callAnswers, &ServeOptions{Workers: 17}), ErrOption)
	_, err = e.Client(t.Context(), &DialOptions{OnPeerDeath: 9})
	require.ErrorIs(t, err, ErrOption)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, context.Canceled, e.Serve(ended, callAnswers, nil))
	require.EqualValues(t, 1, e.file.users.Load())
	r := ring(t, nil)
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", r.File().Fd()))
	require.NoError(t, err)
	_, err = OpenExchangeFile(f)
	require.ErrorIs(t, err, ErrKind)
	require.ErrorIs(t, f.Close(), os.ErrClosed)
}

// Somebody truncates the file while replies are put off: Serve ends, and Send is harmless.
func TestLaterTruncated(t *testing.T) {
	faultsAreSeen(t)
	name := callName(t)
	e, err := NewExchange(name, nil)
	require.NoError(t, err)
	replies := make(chan *Reply, 1)
	served := async(func() ([]byte, error) {
		return nil, e.Serve(t.Context(), func(c *Call) ([]byte, error) {
			replies <- c.Later(func() {})
			return nil, nil
		}, &ServeOptions{Gone: func(ClientID) {}})
	})
	c, err := e.Client(bounded(t), nil)
	require.NoError(t, err)
	done := calls(t, c, "")
	r := <-replies
	require.NoError(t, os.Truncate("/dev/shm/"+name, 0))
	require.ErrorIs(t, get(t, served).err, ErrTruncated)
	require.ErrorIs(t, get(t, done).err, ErrTruncated)
	testproc.Within(t, func() { require.False(t, r.Send(nil, nil)) })
	testproc.Within(t, func() { c.Close(); e.Close() })
}

// A call costs its server no allocation, also where it knows its clients.
func TestServeAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	c := clientOf(t, exchange(t, "", nil))
	v := newCallServer(c.callBoard, func(c *Call) ([]byte, error) { return c.Request(), nil })
	v.tellOfGone(func(ClientID) {})
	require.NoError(t, v.enter(t.Context(), 1))
	defer v.leave()
	slot, err := c.take(t.Context())
	require.NoError(t, err)
	s, request, buf := &c.seat.slots[slot], make([]byte, 64), make([]byte, 0, 64)
	require.Zero(t, testing.AllocsPerRun(200, func() {
		_ = c.put(c.index, slot, callRequest, request)
		s.state.Store(uint64(callStateOf(callAsked, c.own.next(slot, len(request)))))
		if !v.workers[0].serve() {
			panic("not served")
		}
		if b, err := c.collect(buf, slot, s); len(b) != len(request) || err != nil {
			panic("not answered")
		}
	}))
}
