package manager

import (
	"context"
	"fmt"
	"io"
	"iter"
	"reflect"
	"runtime/debug"
	"sync"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/wireerr"
)

const userCall op = 1 // method, count, values; returns a value

// userObject is a value of a registered type. What it runs is put off: it may take as long
// as it likes.
type userObject struct {
	t      *userType
	value  reflect.Value
	server *server
}

// userValues are the values that live in a server, by their pointers.
type userValues struct {
	mu    sync.Mutex
	nodes map[any]*node
}

func (u *userObject) left(*session) {}

func (u *userObject) died() {
	v := u.value.Interface()
	u.server.values.mu.Lock()
	delete(u.server.values.nodes, v)
	u.server.values.mu.Unlock()
	if c, ok := v.(io.Closer); ok {
		go u.server.closeValue(u.t.name, c)
	}
}

// closeValue closes a value that has died.
func (v *server) closeValue(name string, c io.Closer) {
	defer func() {
		if value := recover(); value != nil {
			v.log.Error("manager: Close panicked", "type", name, "panic", value, "stack", string(debug.Stack()))
		}
	}()
	if err := c.Close(); err != nil {
		v.log.Error("manager: Close of a value", "type", name, "error", err)
	}
}

// construct makes an object of a registered type, which the session has then.
func (v *server) construct(x *request, t *userType) error {
	arg := x.argument()
	if err := x.args(); err != nil {
		return err
	}
	args, err := v.borrow([]value{arg})
	if err != nil {
		return err
	}
	v.runLater(x, func(ctx context.Context, c *conn) (value, error) {
		made, err := t.make(ctx, func(ptr any) error { return decodeArgument(c, args[0], ptr) })
		if err != nil {
			return value{}, err
		}
		val, err := v.adopt(t, reflect.ValueOf(made))
		return val, err
	}, func(p *parked, val value) {
		var w writer
		w.number(val.refs[0])
		if !p.send(w) {
			v.bury(v.graph.drop(&p.sess.owner, val.refs[0], 1))
		}
	})
	return nil
}

// argument is a value, copied.
func (x *request) argument() value {
	v := x.value()
	v.data = append([]byte(nil), v.data...)
	return v
}

// borrow has the server's own session hold what arguments lead to, for decodeArgument.
func (v *server) borrow(vals []value) ([]given, error) {
	mine := v.mine()
	out := make([]given, len(vals))
	for i, val := range vals {
		if err := v.graph.take(&mine.owner, val.refs); err != nil {
			for _, g := range out[:i] {
				v.giveBack(g)
			}
			return nil, err
		}
		out[i].value = val
		for _, id := range val.refs {
			out[i].kinds = append(out[i].kinds, v.graph.kind(id))
		}
	}
	return out, nil
}

func (v *server) giveBack(g given) {
	for _, id := range g.refs {
		v.bury(v.graph.drop(&v.mine().owner, id, 1))
	}
}

// mine is the session of this process.
func (v *server) mine() *session {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.clients[localID]; s != nil {
		return s
	}
	return &session{ended: true}
}

// decodeArgument decodes a borrowed argument.
func decodeArgument(c *conn, g given, ptr any) error {
	if err := decodeHere(c, g, ptr); err != nil {
		return fmt.Errorf("%w: %w", ErrArgument, err)
	}
	return nil
}

// runLater runs work in a goroutine, and finishes the request with what it returns: the session
// holds the objects of that.
func (v *server) runLater(x *request, work func(context.Context, *conn) (value, error), finish func(*parked, value)) {
	ctx, cancel := context.WithCancel(v.ctx)
	p := x.park(func(*parked) { cancel() })
	go func() {
		defer cancel()
		val, err := v.runGuarded(ctx, work)
		if err == nil {
			if p.sess.hasEnded() || v.graph.take(&p.sess.owner, val.refs) != nil {
				err = ErrGone
			}
			v.giveBack(given{value: val})
		}
		if err != nil {
			p.fail(err)
			return
		}
		finish(p, val)
		if p.sess.hasEnded() { // perhaps since it was asked: nobody else gives it back
			for _, id := range val.refs {
				v.bury(v.graph.drop(&p.sess.owner, id, 1))
			}
		}
	}()
}

func (s *session) hasEnded() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ended
}

// runGuarded runs work, and makes an error of its panic or Goexit. The value that it returns is held
// by this process's session.
func (v *server) runGuarded(ctx context.Context, work func(context.Context, *conn) (value, error)) (val value, err error) {
	c := knownConn(v.id)
	if c == nil {
		return value{}, ErrManagerGone
	}
	type outcome struct {
		val value
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		o := outcome{err: wireerr.Panic("runtime.Goexit was called", nil)}
		defer func() {
			if value := recover(); value != nil {
				o = outcome{err: wireerr.Panic(value, debug.Stack())}
			}
			done <- o
		}()
		o.val, o.err = work(ctx, c)
	}()
	o := <-done
	c.leave()
	return o.val, o.err
}

// adopt makes a value of a registered type an object, or finds the object that it is. This
// process's session holds it once more.
func (v *server) adopt(t *userType, made reflect.Value) (value, error) {
	mine := v.mine()
	pointer := made.Interface()
	v.values.mu.Lock()
	defer v.values.mu.Unlock()
	n := v.values.nodes[pointer]
	if n == nil || v.graph.take(&mine.owner, []uint64{n.id}) != nil {
		var dead []*node
		var err error
		n, dead, err = v.graph.add(&mine.owner, t.name)
		if len(dead) > 0 {
			go v.bury(dead) // which may want this lock
		}
		if err != nil {
			return value{}, err
		}
		v.graph.born(n, &userObject{t, made, v})
		v.values.nodes[pointer] = n
	}
	return value{data: firstHandle, refs: []uint64{n.id}}, nil
}

// firstHandle is how a proxy is encoded that is the only one of its message: a byte string
// with the number of its handle.
var firstHandle = []byte{0x41, 0}

func (u *userObject) serve(x *request) error {
	if x.op != userCall {
		return x.unknown()
	}
	name := x.text()
	var vals []value
	for range x.count() {
		vals = append(vals, x.argument())
	}
	if err := x.args(); err != nil {
		return err
	}
	m := u.t.methods[name]
	if m == nil {
		return fmt.Errorf("%w: %s of %s", ErrMethod, name, u.t.name)
	}
	if len(vals) != len(m.args) {
		return fmt.Errorf("%w: %s of %s with %d arguments, it has %d", ErrMethod, name, u.t.name, len(vals), len(m.args))
	}
	args, err := u.server.borrow(vals)
	if err != nil {
		return err
	}
	v := u.server
	v.runLater(x, func(ctx context.Context, c *conn) (value, error) { return u.call(ctx, c, m, args) },
		func(p *parked, val value) {
			var w writer
			v.given(&w, val)
			if !p.send(w) {
				for _, id := range val.refs {
					v.bury(v.graph.drop(&p.sess.owner, id, 1))
				}
			}
		})
	return nil
}

// call calls a method and encodes what it returns.
func (u *userObject) call(ctx context.Context, c *conn, m *method, args []given) (value, error) {
	in := []reflect.Value{u.value}
	if m.context {
		in = append(in, reflect.ValueOf(ctx))
	}
	var failed error
	for i, t := range m.args {
		ptr := reflect.New(t)
		if err := decodeArgument(c, args[i], ptr.Interface()); err != nil && failed == nil { // all: they are borrowed
			failed = err
		}
		in = append(in, ptr.Elem())
	}
	if failed != nil {
		return value{}, failed
	}
	out := m.fn.Call(in)
	if m.fails {
		if err, _ := out[len(out)-1].Interface().(error); err != nil {
			return value{}, err
		}
	}
	switch out = out[:m.results]; len(out) {
	case 0:
		return u.server.encode(c, nil)
	case 1:
		return u.server.result(c, out[0])
	}
	all := make([]any, len(out))
	for i, o := range out {
		all[i] = o.Interface()
	}
	return u.server.encode(c, all)
}

// result encodes a result, which may be an object or an iterator.
func (v *server) result(c *conn, out reflect.Value) (value, error) {
	if t := userTypes.of(out.Type()); t != nil && !out.IsNil() {
		return v.adopt(t, out)
	}
	if pull := newPull(out); pull != nil {
		n, dead, err := v.graph.add(&v.mine().owner, iteratorKind)
		v.bury(dead)
		if err != nil {
			pull.stop()
			return value{}, err
		}
		v.graph.born(n, &iteratorObject{server: v, pull: pull})
		return value{data: firstHandle, refs: []uint64{n.id}}, nil
	}
	return v.encode(c, out.Interface())
}

// encode encodes a value; this process's session holds what it leads to once more.
func (v *server) encode(c *conn, result any) (value, error) {
	t := &trip{c: c}
	data, hs, err := handle.Encode(func() ([]byte, error) { return codec.MarshalCanonical(result) })
	if err != nil {
		return value{}, fmt.Errorf("%w: result: %w", ErrArgument, err)
	}
	val := value{data: data}
	defer func() {
		for _, h := range hs {
			h.Failed()
		}
	}()
	if val.refs, err = t.objects(hs); err == nil {
		err = v.graph.take(&v.mine().owner, val.refs)
	}
	return val, err
}

// pull is an iteration that goes on when it is asked.
type pull struct {
	next func() (reflect.Value, error, bool)
	stop func()
}

// newPull begins the iteration of an iter.Seq, or of an iter.Seq2 whose second is an error;
// nil if it is something else.
func newPull(out reflect.Value) *pull {
	t := out.Type()
	if t.Kind() != reflect.Func || out.IsNil() || t.NumIn() != 1 || t.NumOut() != 0 {
		return nil
	}
	switch yield := t.In(0); {
	case t.CanSeq():
		next, stop := iter.Pull(out.Seq())
		return &pull{func() (reflect.Value, error, bool) {
			v, ok := next()
			return v, nil, ok
		}, stop}
	case t.CanSeq2() && yield.In(1) == errorType:
		next, stop := iter.Pull2(out.Seq2())
		return &pull{func() (reflect.Value, error, bool) {
			v, e, ok := next()
			if !ok {
				return v, nil, false
			}
			err, _ := e.Interface().(error)
			return v, err, true
		}, stop}
	}
	return nil
}
