package manager

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/handle"
)

// Values are encoded by the process that puts them, and decoded by the one that gets them:
// the manager sees bytes, and the objects that they lead to.

// put encodes v into t as a value. What it leads to lives until settle is called, after the
// reply.
func put[V any](t *trip, v V) (settle func(), err error) {
	if !handle.Carries(reflect.TypeFor[V]()) {
		data, err := codec.MarshalCanonical(v)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrArgument, err)
		}
		t.writer.value(value{data: data})
		return nothing, nil
	}
	data, hs, err := handle.Encode(func() ([]byte, error) { return codec.MarshalCanonical(v) })
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArgument, err)
	}
	val := value{data: data}
	settle = func() {
		for _, h := range hs {
			h.Failed() // it stays here; the object has it besides
		}
	}
	if val.refs, err = t.objects(hs); err != nil {
		settle()
		return nil, err
	}
	t.writer.value(val)
	return settle, nil
}

func nothing() {}

// objects returns the objects of this manager that handles lead to.
func (t *trip) objects(hs []handle.Handle) (ids []uint64, err error) {
	for _, h := range hs {
		id, object, ok := parseMeta(h.Meta)
		if !strings.HasPrefix(h.Kind, handleKind) || !ok || id != t.c.id || object == 0 {
			return nil, fmt.Errorf("%w: a %s cannot be put into this manager", ErrArgument, h.Kind)
		}
		ids = append(ids, object)
	}
	return ids, nil
}

// get decodes a value that a reply has brought (reader.given).
func get[V any](t *trip, val given) (v V, err error) {
	if err = into(t, val, reflect.TypeFor[V](), &v); err != nil {
		return *new(V), err
	}
	return v, nil
}

// into is get, into what ptr points to, which is of type to. What the value leads to has been
// counted for this process, and is given back if it finds no place there.
func into(t *trip, val given, to reflect.Type, ptr any) (err error) {
	if len(val.refs) == 0 && !handle.Carries(to) {
		err = codec.Unmarshal(val.data, ptr)
	} else {
		err = decodeHere(t.c, val, ptr)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrValue, err)
	}
	return nil
}

// refuse lets go what a value leads to that a reply has brought and that is not decoded.
func refuse(t *trip, val given) {
	for _, id := range val.refs {
		t.c.gain(id).drop()
	}
}

// decodeHere decodes a value that may lead to objects, which the reply has counted.
func decodeHere(c *conn, val given, ptr any) error {
	crashpoint.Hit("manager.given")
	held := make([]*ref, len(val.refs))
	for i, id := range val.refs {
		held[i] = c.gain(id)
	}
	defer func() {
		for _, r := range held {
			r.drop()
		}
	}()
	hs := make([]handle.Handle, len(val.refs))
	for i, id := range val.refs {
		hs[i] = handle.Handle{Kind: handleKind + val.kinds[i], Meta: putMeta(c.id, id)}
	}
	return handle.Decode(context.Background(), val.data, hs, func(b []byte) error { return codec.Unmarshal(b, ptr) })
}

// key encodes a key: equal keys are equal bytes.
func key[K any](k K) ([]byte, error) {
	data, err := codec.MarshalKey(k)
	if err != nil {
		return nil, fmt.Errorf("%w: key: %w", ErrArgument, err)
	}
	return data, nil
}

// same encodes a value for a comparison in the manager.
func same[V any](v V) ([]byte, error) {
	if !handle.Carries(reflect.TypeFor[V]()) {
		data, err := codec.MarshalCanonical(v)
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrArgument, err)
		}
		return data, err
	}
	data, hs, err := handle.Encode(func() ([]byte, error) { return codec.MarshalCanonical(v) })
	for _, h := range hs {
		h.Failed()
	}
	if err == nil && len(hs) > 0 {
		err = errors.New("a value with proxies cannot be compared")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArgument, err)
	}
	return data, nil
}

func unmarshalKey(data []byte, ptr any) error { return codec.Unmarshal(data, ptr) }

func isErr(err, target error) bool { return err != nil && errors.Is(err, target) }
