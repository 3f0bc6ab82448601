package handle_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/handle"
)

// thing is a shared object as the public packages write them.
type thing struct {
	name  string
	meta  []byte
	file  *os.File
	hooks handle.Options
}

func (t *thing) MarshalBinary() ([]byte, error) {
	return handle.Put(handle.Handle{Kind: "thing", Name: t.name, Meta: t.meta, File: t.file}, t.hooks)
}

func (t *thing) UnmarshalBinary(ref []byte) error {
	h, err := handle.Get(ref)
	if err != nil {
		return err
	}
	t.name, t.meta, t.file = h.Name, h.Meta, h.File
	return nil
}

type message struct {
	A, B  *thing
	Many  []*thing
	Count int
}

func file(t *testing.T, content string) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "object")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func encode(v any) ([]byte, []handle.Handle, error) {
	return handle.Encode(func() ([]byte, error) { return cbor.Marshal(v) })
}

func decode(data []byte, hs []handle.Handle, v any) error {
	return handle.Decode(context.Background(), data, hs, func(b []byte) error { return cbor.Unmarshal(b, v) })
}

// arrive stands for the transport: the receiver has files of its own.
func arrive(t *testing.T, hs []handle.Handle) []handle.Handle {
	t.Helper()
	var got []handle.Handle
	for _, h := range hs {
		c := handle.Handle{Kind: h.Kind, Name: h.Name, Meta: h.Meta}
		if h.File != nil {
			var err error
			c.File, err = handle.Dup(h.File)
			require.NoError(t, err)
		}
		got = append(got, c)
	}
	return got
}

func TestTravel(t *testing.T) {
	a := &thing{name: "a", meta: []byte{1, 2}, file: file(t, "content of a")}
	b := &thing{name: "named only"}
	data, hs, err := encode(message{A: a, B: b, Many: []*thing{b, a, a}, Count: 7})
	require.NoError(t, err)
	require.Len(t, hs, 2, "the same object twice is one handle")

	var got message
	require.NoError(t, decode(data, arrive(t, hs), &got))
	require.Equal(t, 7, got.Count)
	require.Equal(t, "named only", got.B.name)
	require.Nil(t, got.B.file)
	require.Equal(t, []byte{1, 2}, got.A.meta)

	// Each receiver owns its file: closing one leaves the others usable.
	require.NotEqual(t, got.A.file, got.Many[1].file)
	require.NoError(t, got.A.file.Close())
	require.NoError(t, got.Many[1].file.Close())
	text, err := io.ReadAll(got.Many[2].file)
	require.NoError(t, err)
	require.Equal(t, "content of a", string(text))
	require.NoError(t, got.Many[2].file.Close())
}

func TestDifferentObjectsOfOneFile(t *testing.T) {
	f := file(t, "ring")
	_, hs, err := encode([]*thing{{meta: []byte{1}, file: f}, {meta: []byte{2}, file: f}})
	require.NoError(t, err)
	require.Len(t, hs, 2)
	require.Same(t, hs[0].File, hs[1].File, "the transport can send one descriptor for both")
}

func TestOutside(t *testing.T) {
	_, err := cbor.Marshal(&thing{})
	require.ErrorIs(t, err, handle.ErrNotTravelling)
	require.ErrorIs(t, new(thing).UnmarshalBinary([]byte{0}), handle.ErrNotTravelling)
}

func TestBadReferences(t *testing.T) {
	for name, ref := range map[string][]byte{
		"empty":     {},
		"past end":  {1},
		"unended":   {0x80},
		"trailing":  {0, 0},
		"overflows": {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	} {
		t.Run(name, func(t *testing.T) {
			err := handle.Decode(context.Background(), ref, []handle.Handle{{Kind: "thing"}}, new(thing).UnmarshalBinary)
			require.ErrorIs(t, err, handle.ErrReference)
		})
	}
	require.ErrorIs(t, handle.Decode(context.Background(), []byte{0}, nil, new(thing).UnmarshalBinary), handle.ErrReference)
}

func TestHooks(t *testing.T) {
	var log []string
	hooks := handle.Options{
		Sent:   func(pid int) { log = append(log, fmt.Sprint("sent to ", pid)) },
		Failed: func() { log = append(log, "failed") },
		Exited: func() { log = append(log, "exited") },
	}
	_, hs, err := encode([]*thing{{hooks: hooks}, {name: "no hooks"}})
	require.NoError(t, err)
	require.Empty(t, log, "nothing has been sent yet")
	for _, h := range hs {
		h.Sent(42)
		h.Exited()
		h.Failed()
	}
	require.Equal(t, []string{"sent to 42", "exited", "failed"}, log)
}

func TestFailingMarshal(t *testing.T) {
	failed := 0
	a := &thing{hooks: handle.Options{Failed: func() { failed++ }}}

	broken := errors.New("broken")
	_, hs, err := handle.Encode(func() ([]byte, error) {
		_, err := a.MarshalBinary()
		require.NoError(t, err)
		return nil, broken
	})
	require.ErrorIs(t, err, broken)
	require.Nil(t, hs)
	require.Equal(t, 1, failed)

	require.Panics(t, func() {
		handle.Encode(func() ([]byte, error) {
			_, err := a.MarshalBinary()
			require.NoError(t, err)
			panic("codec")
		})
	})
	require.Equal(t, 2, failed)

	_, err = a.MarshalBinary()
	require.ErrorIs(t, err, handle.ErrNotTravelling, "a panic must not leave the table installed")
	_, hs, err = encode(a)
	require.NoError(t, err, "nor the mutex locked")
	require.Len(t, hs, 1)
}

func TestFilesAreClosedByDecode(t *testing.T) {
	f, err := handle.Dup(file(t, "unused"))
	require.NoError(t, err)
	broken := errors.New("broken")
	err = handle.Decode(context.Background(), nil, []handle.Handle{{File: f}, {File: f}}, func([]byte) error { return broken })
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, f.Close(), os.ErrClosed)
}

// closable is a shared object that arrives closed when it is gone.
type closable struct {
	thing
	closed bool
}

func (c *closable) UnmarshalBinary(ref []byte) error {
	err := c.thing.UnmarshalBinary(ref)
	if errors.Is(err, handle.ErrGone) {
		c.closed = true
		return nil
	}
	return err
}

// What is gone does not keep the rest of a message from arriving.
func TestGone(t *testing.T) {
	type letter struct {
		Text string
		A, B *closable
	}
	a, b := &closable{thing: thing{file: file(t, "a")}}, &closable{thing: thing{name: "named only"}}
	data, hs, err := encode(letter{"text", a, b})
	require.NoError(t, err)
	table, files := handle.NewTable(hs)
	require.Len(t, files, 1)

	var got letter
	require.Equal(t, handle.ErrGone, decode(data, table.Gone(), &got))
	require.Equal(t, "text", got.Text)
	require.True(t, got.A.closed)
	require.False(t, got.B.closed, "it had no file to lose")
	require.Equal(t, "named only", got.B.name)

	var strict message
	data, hs, err = encode(message{A: &a.thing, Count: 7})
	require.NoError(t, err)
	table, _ = handle.NewTable(hs)
	require.ErrorIs(t, decode(data, table.Gone(), &strict), handle.ErrGone)

	data, _, err = encode(b)
	require.NoError(t, err)
	require.NoError(t, decode(data, []handle.Handle{{Kind: "thing"}}, new(closable)), "the next message is whole")
}

func TestManyGoroutines(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for range 100 {
				name := fmt.Sprint("object of ", g)
				data, hs, err := encode(&thing{name: name})
				if err != nil || len(hs) != 1 {
					t.Errorf("encode: %d handles, %v", len(hs), err)
					return
				}
				var got thing
				if err := decode(data, hs, &got); err != nil || got.name != name {
					t.Errorf("decode %q: got %q, %v", name, got.name, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func FuzzGet(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{2})
	f.Add([]byte{0x80, 0x01})
	f.Fuzz(func(t *testing.T, ref []byte) {
		hs := []handle.Handle{{Kind: "first"}, {Kind: "second"}}
		handle.Decode(context.Background(), ref, hs, func(ref []byte) error {
			h, err := handle.Get(ref)
			if (err == nil) != (h.Kind != "") {
				t.Fatalf("%v and %q", err, h.Kind)
			}
			return err
		})
	})
}

// What is done afterwards may decode another message, and can find the object gone.
func TestAfterwards(t *testing.T) {
	handle.Afterwards(func(context.Context) error { t.Error("nothing is being decoded"); return nil })
	ctx, cancel := context.WithCancel(t.Context())
	broken := errors.New("broken")
	for _, c := range []struct{ decoding, after, want error }{
		{nil, nil, nil}, {nil, broken, broken}, {nil, handle.ErrGone, handle.ErrGone},
		{broken, nil, broken}, {broken, handle.ErrGone, broken},
	} {
		ran := 0
		err := handle.Decode(ctx, []byte{0}, nil, func(data []byte) error {
			handle.Afterwards(func(got context.Context) error {
				require.Equal(t, ctx, got)
				ran++
				require.NoError(t, handle.Decode(ctx, data, nil, func([]byte) error { return nil }))
				return c.after
			})
			return c.decoding
		})
		require.Equal(t, c.want, err)
		require.Equal(t, 1, ran)
	}
	cancel()
}

func TestArrivedAndExited(t *testing.T) {
	var log []string
	h := handle.Handle{}
	_, hs, err := handle.Encode(func() ([]byte, error) {
		return handle.Put(h, handle.Options{
			Arrived: func() { log = append(log, "arrived") }, Exited: func() { log = append(log, "exited") },
		})
	})
	require.NoError(t, err)
	require.True(t, hs[0].Watches())
	hs[0].Arrived()
	hs[0].Exited()
	require.Equal(t, []string{"arrived", "arrived", "exited"}, log)
}
