package manager

import (
	"bytes"
	"log/slog"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzzing are the steps of FuzzRequest: each an object, an operation, and how many bytes of
// arguments follow.
type fuzzing struct{ b []byte }

func (f *fuzzing) step(object byte, o op, fill func(w *writer)) *fuzzing {
	var w writer
	if fill != nil {
		fill(&w)
	}
	f.b = append(f.b, object, byte(o), byte(len(w.b)))
	f.b = append(f.b, w.b...)
	return f
}

func (f *fuzzing) make(kind string, fill func(w *writer)) *fuzzing {
	return f.step(0, opCreate, func(w *writer) {
		w.text(kind)
		if fill != nil {
			fill(w)
		}
	})
}

// lower lowers maxElements for a test.
func lower(t testing.TB) {
	was := maxElements
	maxElements = 1 << 12
	t.Cleanup(func() { maxElements = was })
}

// Whatever a client sends: there is a reply, no operation panics, and when the client has
// gone, nothing of it is left.
func FuzzRequest(f *testing.F) {
	lower(f)
	someValue := value{data: []byte{1}, refs: []uint64{1, 2}}
	values := func(n int) func(*writer) {
		return func(w *writer) {
			w.number(uint64(n))
			for range n {
				w.value(someValue)
			}
		}
	}
	f.Add(new(fuzzing).make(dictKind, nil).make(listKind, values(0)).
		step(1, dictSet, func(w *writer) { w.text("k"); w.value(someValue) }).
		step(1, dictSetAll, func(w *writer) { w.number(1); w.text("l"); w.value(someValue) }).
		step(1, dictSwap, func(w *writer) { w.text("k"); w.text(""); w.value(someValue) }).
		step(1, dictSome, func(w *writer) { w.number(0); w.number(0); w.number(1) }).
		step(1, dictPopItem, nil).step(1, dictPop, func(w *writer) { w.text("k") }).
		step(0, opRelease, func(w *writer) { w.number(1); w.number(1); w.number(1) }).b)
	f.Add(new(fuzzing).make(listKind, values(0)).make(arrayKind, values(0)).
		step(1, listSplice, func(w *writer) { w.integer(-1); w.integer(5); values(3)(w) }).
		step(1, listRepeat, func(w *writer) { w.integer(3) }).
		step(1, listPermute, func(w *writer) { w.number(3); w.number(3); w.number(2); w.number(0); w.number(1) }).
		step(1, listSet, func(w *writer) { w.integer(-1); w.value(someValue) }).
		step(1, listSwap, func(w *writer) { w.integer(0); w.text("\x01"); w.value(someValue) }).
		step(1, listPop, func(w *writer) { w.integer(0) }).
		step(1, listIndex, func(w *writer) { w.integer(0); w.integer(1 << 40); w.text("\x01") }).
		step(1, listSome, func(w *writer) { w.integer(0); w.integer(9); w.number(0); w.number(4) }).
		step(2, listSplice, func(w *writer) { w.integer(0); w.integer(0); values(0)(w) }).b)
	f.Add(new(fuzzing).make(setKind, func(w *writer) { w.number(1); w.text("a") }).make(setKind, func(w *writer) { w.number(0) }).
		step(1, setAddAll, func(w *writer) {
			w.number(3)
			w.flag(true)
			w.number(2)
			w.flag(true)
			w.number(1)
			w.flag(false)
			w.number(1)
			w.text("b")
		}).
		step(2, setEqual, func(w *writer) { w.number(1); w.flag(true); w.number(1) }).
		step(1, setToggle, func(w *writer) { w.number(1); w.flag(true); w.number(1) }).b)
	f.Add(new(fuzzing).make(namespaceKind, nil).make(valueKind, values(1)).step(0, opDebug, nil).step(0, opCount, nil).b)

	f.Fuzz(func(t *testing.T, b []byte) {
		var log bytes.Buffer
		v := newServer(newIdentity(), nil, 100, slog.New(slog.NewTextHandler(&log, nil)))
		l := newLocalLink(v, 1, make(chan struct{}))
		for len(b) >= 3 {
			object, o, n := b[0], op(b[1]), min(int(b[2]), len(b)-3)
			request := append(appendHeader(nil, uint64(localID), uint64(object), o), b[3:3+n]...)
			b = b[3+n:]
			c := &localCall{done: make(chan []byte, 1)}
			reply := v.answer(l.sess, request, c)
			if reply == nil && !c.giveUp() { // it waited
				reply = <-c.done
			}
			if reply != nil {
				require.NotEmpty(t, reply)
				if _, err := parseReply(reply); reply[0] == replyError {
					require.Error(t, err)
				} else {
					require.NoError(t, err)
				}
			}
		}
		l.close()
		left, _ := v.graph.count()
		require.Zero(t, left)
		require.Empty(t, log.String(), "an operation panicked")
	})
}

// Kinds whose objects are made of arguments refuse those that are none, and nothing is left.
func TestCreateGarbage(t *testing.T) {
	v := newServer(newIdentity(), nil, 100, slog.New(slog.DiscardHandler))
	l := newLocalLink(v, 1, make(chan struct{}))
	for _, kind := range []string{dictKind, listKind, arrayKind, valueKind, setKind, namespaceKind, "", "nothing"} {
		for _, garbage := range [][]byte{{0xff}, bytes.Repeat([]byte{0xff}, 20), {5}, {1, 1, 1, 1, 77}, {1, 0, 0, 9}} {
			w := writer{appendHeader(nil, uint64(localID), 0, opCreate)}
			w.text(kind)
			reply := v.answer(l.sess, slices.Concat(w.b, garbage), &localCall{})
			_, err := parseReply(reply)
			require.Error(t, err, "%s %x", kind, garbage)
		}
	}
	n, _ := v.graph.count()
	require.Zero(t, n)
}

// A request cannot have the server grow without end.
func TestLimits(t *testing.T) {
	lower(t)
	v := newServer(newIdentity(), nil, 100, slog.New(slog.DiscardHandler))
	l := newLocalLink(v, 1, make(chan struct{}))
	ask := func(id uint64, o op, fill func(w *writer)) error {
		w := writer{appendHeader(nil, uint64(localID), id, o)}
		fill(&w)
		_, err := parseReply(v.answer(l.sess, w.b, &localCall{}))
		return err
	}
	require.NoError(t, ask(0, opCreate, func(w *writer) { w.text(listKind); w.number(1); w.value(value{}) }))
	require.NoError(t, ask(1, listRepeat, func(w *writer) { w.integer(1 << 12) }))
	require.ErrorIs(t, ask(1, listRepeat, func(w *writer) { w.integer(2) }), ErrTooLong)
	require.ErrorIs(t, ask(1, listSplice, func(w *writer) { w.integer(0); w.integer(0); w.number(1); w.value(value{}) }), ErrTooLong)
	require.NoError(t, ask(1, listSplice, func(w *writer) { w.integer(0); w.integer(1); w.number(1); w.value(value{}) }))

	many := value{refs: []uint64{1, 1, 1, 1}} // a value with more objects than elements
	require.NoError(t, ask(0, opCreate, func(w *writer) { w.text(listKind); w.number(1); w.value(many) }))
	require.ErrorIs(t, ask(2, listRepeat, func(w *writer) { w.integer(1 << 11) }), ErrTooLong)

	require.NoError(t, ask(0, opCreate, func(w *writer) {
		w.text(setKind)
		w.number(1 << 10)
		for i := range 1 << 10 {
			w.bytes([]byte{byte(i), byte(i >> 8)})
		}
	}))
	operands := func(n uint64) func(*writer) {
		return func(w *writer) {
			w.number(n)
			for range n {
				w.flag(true)
				w.number(3)
			}
		}
	}
	require.NoError(t, ask(3, setUnion, operands(4)))
	require.ErrorIs(t, ask(3, setUnion, operands(5)), ErrTooLong)
	require.ErrorIs(t, ask(3, setEqual, operands(2)), ErrProtocol)
	require.ErrorIs(t, ask(1, setEqual, operands(1)), ErrProtocol, "a list is no set")
	require.ErrorIs(t, ask(3, setUnion, func(w *writer) { w.number(1); w.flag(true); w.number(1) }), ErrKind)
	require.ErrorIs(t, ask(3, setUnion, func(w *writer) { w.number(1); w.flag(true); w.number(99) }), ErrGone)
	require.ErrorIs(t, ask(99, listLen, func(*writer) {}), ErrGone)
	l.close()
	n, _ := v.graph.count()
	require.Zero(t, n)
}
