package shm_test

import (
	"context"
	"encoding"
	"encoding/json"
	"os"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

// luggage has a handle of each kind.
type luggage struct {
	Segment *shm.Segment
	Object  *shm.Object[account]
	Value   *shm.Value[block]
	Array   *shm.Array[point]
	List    *shm.ShareableList
	Locked  *shm.ShareableList
}

func (l *luggage) close(t require.TestingT) {
	require.NoError(t, l.Segment.Close())
	require.NoError(t, l.Object.Close())
	require.NoError(t, l.Value.Close())
	require.NoError(t, l.Array.Close())
	require.NoError(t, l.List.Close())
	require.NoError(t, l.Locked.Close())
}

func pack(t *testing.T, name func() string) *luggage { return packWith(t, name, nil) }

func packWith(t *testing.T, name func() string, o *shm.Options) *luggage {
	t.Helper()
	if o == nil {
		o = new(shm.Options)
	}
	l := new(luggage)
	var err error
	l.Segment, err = shm.Create(name(), 100, o)
	require.NoError(t, err)
	l.Object, err = shm.NewObject[account](name(), o)
	require.NoError(t, err)
	l.Value, err = shm.NewValue(name(), blockOf(3), o)
	require.NoError(t, err)
	l.Array, err = shm.NewArray[point](name(), 5, o)
	require.NoError(t, err)
	l.List, err = shm.NewShareableList(name(), &shm.ListOptions{Owner: o.Owner}, mixed...)
	require.NoError(t, err)
	l.Locked, err = shm.NewShareableList(name(), &shm.ListOptions{Locked: true, Owner: o.Owner}, mixed...)
	require.NoError(t, err)
	t.Cleanup(func() { l.close(t) })
	return l
}

// sent is what crosses to the other process beside the descriptors.
type sent struct {
	Data         []byte
	Kinds, Names []string
}

var _ = testproc.Helper("receive", func(c *testproc.Child) {
	var s sent
	require.NoError(c, json.Unmarshal([]byte(c.Args[0]), &s))
	var hs []handle.Handle
	for i, f := range c.Files {
		hs = append(hs, handle.Handle{Kind: s.Kinds[i], Name: s.Names[i], File: f})
	}
	var l luggage
	require.NoError(c, handle.Decode(context.Background(), s.Data, hs, func(b []byte) error { return cbor.Unmarshal(b, &l) }))
	copy(l.Segment.Bytes(), l.Array.Name()+" arrived")
	require.NoError(c, l.Object.Ptr().mu.Lock())
	l.Object.Ptr().balance = 77
	l.Object.Ptr().mu.Unlock()
	require.NoError(c, l.Value.Store(blockOf(whole(c, load(c, l.Value))+1)))
	require.NoError(c, l.Array.Set(4, point{4, 4, 4}))
	require.Equal(c, mixed, items(c, l.List))
	require.NoError(c, l.List.Set(-1, "arrived"))
	require.True(c, l.Locked.Locked())
	require.NoError(c, l.Locked.Set(-1, "locked"))
	l.close(c)
})

func TestHandlesTravel(t *testing.T) {
	for what, name := range map[string]func() string{
		"anonymous": func() string { return "" },
		"named":     func() string { return newName(t) },
	} {
		t.Run(what, func(t *testing.T) {
			l := pack(t, name)
			data, hs, err := handle.Encode(func() ([]byte, error) { return cbor.Marshal(l) })
			require.NoError(t, err)
			s := sent{Data: data}
			var files []*os.File
			for _, h := range hs {
				s.Kinds, s.Names, files = append(s.Kinds, h.Kind), append(s.Names, h.Name), append(files, h.File)
			}
			require.NoError(t, l.Array.Unlink(), "a handle that travels does not need its name")
			arg, err := json.Marshal(s)
			require.NoError(t, err)
			testproc.Start(t, "receive", testproc.Args(string(arg)), testproc.Files(files...)).Succeed() // M12, M13
			require.Contains(t, string(l.Segment.Bytes()), l.Array.Name()+" arrived")
			require.Equal(t, int64(77), l.Object.Ptr().balance)
			require.Equal(t, uint64(4), whole(t, load(t, l.Value)))
			require.Equal(t, point{4, 4, 4}, l.Array.Slice()[4])
			require.Equal(t, "arrived", items(t, l.List)[6]) // M28
			require.Equal(t, "locked", items(t, l.Locked)[6])
		})
	}
}

func TestReadOnlyTravelsReadOnly(t *testing.T) {
	name := newName(t)
	must[*shm.Value[int]](t)(shm.NewValue(name, 7, nil))
	r := must[*shm.Value[int]](t)(shm.OpenValue[int](t.Context(), name, &shm.OpenOptions{ReadOnly: true}))
	data, hs, err := handle.Encode(r.MarshalBinary)
	require.NoError(t, err)
	hs[0].File, err = handle.Dup(hs[0].File) // what crossing to another process does
	require.NoError(t, err)
	var got shm.Value[int]
	require.NoError(t, handle.Decode(context.Background(), data, hs, got.UnmarshalBinary))
	defer got.Close()
	require.Equal(t, 7, load(t, &got))
	require.ErrorIs(t, got.Store(8), shm.ErrReadOnly)
}

func TestBadLuggage(t *testing.T) {
	l := pack(t, func() string { return "" })
	refs := func(m encoding.BinaryMarshaler, hs *[]handle.Handle) (ref []byte) {
		_, table, err := handle.Encode(func() (_ []byte, err error) { ref, err = m.MarshalBinary(); return nil, err })
		require.NoError(t, err)
		*hs = table
		return ref
	}
	// receive decodes with a table of its own, whose files Decode closes.
	receive := func(ref []byte, hs []handle.Handle, into encoding.BinaryUnmarshaler) error {
		var table []handle.Handle
		for _, h := range hs {
			if h.File != nil {
				f, err := handle.Dup(h.File)
				require.NoError(t, err)
				h.File = f
			}
			table = append(table, h)
		}
		return handle.Decode(context.Background(), ref, table, into.UnmarshalBinary)
	}
	var hs []handle.Handle
	ref := refs(l.Array, &hs)
	require.ErrorIs(t, receive(ref, hs, new(shm.Segment)), shm.ErrKind)
	require.ErrorIs(t, receive(ref, hs, new(shm.Value[point])), shm.ErrKind)
	require.ErrorIs(t, receive(ref, hs, new(shm.Array[int])), shm.ErrLayout)
	require.ErrorIs(t, receive([]byte{9}, hs, new(shm.Array[point])), handle.ErrReference)
	require.ErrorIs(t, receive(ref, hs, l.Array), shm.ErrBusy, "it is in use")

	require.ErrorIs(t, receive(ref, hs, new(shm.ShareableList)), shm.ErrKind)

	lying := hs[0]
	lying.Kind = "shm.list"
	require.ErrorIs(t, receive(ref, []handle.Handle{lying}, new(shm.ShareableList)), shm.ErrCorrupt)
	lying.Kind = "shm.value"
	require.ErrorIs(t, receive(ref, []handle.Handle{lying}, new(shm.Value[point])), shm.ErrKind)
	lying.Kind = "shm.object"
	require.ErrorIs(t, receive(ref, []handle.Handle{lying}, new(shm.Object[point])), shm.ErrKind)
	lying = hs[0]
	lying.Name = "../etc/passwd"
	require.ErrorIs(t, receive(ref, []handle.Handle{lying}, new(shm.Array[point])), shm.ErrName)
	lying = hs[0]
	lying.File = nil
	require.ErrorIs(t, receive(ref, []handle.Handle{lying}, new(shm.Array[point])), shm.ErrCorrupt)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	lying.File = r
	require.ErrorIs(t, receive(ref, []handle.Handle{lying}, new(shm.Array[point])), shm.ErrForeign)

	for _, m := range []interface {
		encoding.BinaryMarshaler
		encoding.BinaryUnmarshaler
	}{new(shm.Segment), new(shm.Object[int]), new(shm.Value[int]), new(shm.Array[int]), new(shm.ShareableList)} {
		_, err := m.MarshalBinary()
		require.ErrorIs(t, err, shm.ErrClosed)
		require.ErrorIs(t, m.UnmarshalBinary([]byte{0}), shm.ErrNotTravelling)
	}
	_, err = l.Segment.MarshalBinary()
	require.ErrorIs(t, err, shm.ErrNotTravelling, "through another codec")
}

// What has lost its descriptor, because the sender has ended, arrives closed.
func TestGoneIsClosed(t *testing.T) {
	l := pack(t, func() string { return "" })
	data, hs, err := handle.Encode(func() ([]byte, error) { return cbor.Marshal(l) })
	require.NoError(t, err)
	table, _ := handle.NewTable(hs)
	var got luggage
	err = handle.Decode(context.Background(), data, table.Gone(), func(b []byte) error { return cbor.Unmarshal(b, &got) })
	require.ErrorIs(t, err, handle.ErrGone)

	closed := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, shm.ErrClosed)
	}
	s, o, v, a := got.Segment, got.Object, got.Value, got.Array
	for _, any := range []interface {
		Name() string
		File() *os.File
		Unlink() error
		Close() error
		encoding.BinaryMarshaler
	}{s, o, v, a, got.List} {
		require.Empty(t, any.Name())
		require.Nil(t, any.File())
		require.NoError(t, any.Unlink())
		require.NoError(t, any.Close())
		_, err := any.MarshalBinary()
		closed(err)
	}
	require.Equal(t, "closed shared memory", s.String())
	require.Empty(t, s.Bytes())
	require.Zero(t, s.Size())
	closed(s.Sync())
	closed(s.Mlock())
	closed(s.Prefault())
	_, err = s.MarshalText()
	closed(err)
	_, err = shm.View[int64](s, 0)
	closed(err)
	_, err = shm.ViewSlice[int64](s, 0, 1)
	closed(err)

	_, err = got.List.MarshalText()
	closed(err)
	_, err = got.List.At(0)
	closed(err)
	closed(got.List.Set(0, 1))
	require.Zero(t, got.List.Len())

	require.Nil(t, o.Ptr())

	_, err = v.Load()
	closed(err)
	closed(v.Store(block{}))
	closed(v.Update(t.Context(), func(*block) error { return nil }))

	require.Zero(t, a.Len())
	require.Empty(t, a.Slice())
	for range a.All() {
		t.Fatal("it has no elements")
	}
	_, err = a.At(0)
	closed(err)
	closed(a.Set(0, point{}))
	_, err = a.Swap(0, point{})
	closed(err)
	closed(a.Update(t.Context(), 0, func(*point) error { return nil }))
	_, err = a.CopyTo(make([]point, 1))
	closed(err)
	closed(a.Lock())
	closed(a.LockContext(t.Context()))
	closed(a.LockRepair(t.Context(), func([]point) error { return nil }))
}
