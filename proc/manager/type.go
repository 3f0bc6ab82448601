package manager

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"github.com/shmkit/shmkit/internal/codec"
)

// Type is a registered type: New makes values of it that live in a manager. All methods
// may be called from any goroutine.
type Type[T, A any] struct{ name string }

// TypeOptions of RegisterType. nil and zero fields mean the defaults.
type TypeOptions struct {
	// Expose are the names of the methods that proxies may call; nil are all that are
	// exported.
	Expose []string
	// Functions are further ones, by the names under which they may be called: functions
	// whose first argument is a *T, such as method expressions of methods that are not
	// exported.
	Functions map[string]any
}

// RegisterType names a type whose values live in managers, and the function that makes one
// of an argument. Like proc.Register it belongs in the declaration of a package-level
// variable, since the server is this same program. It panics when the name is empty or
// taken, or is that of a kind such as Dict; when the type is registered already; when there
// is no function; and when o names a method that is none or cannot be called.
//
// The function and the methods run in the manager, each call in a goroutine of its own: T
// must be ready for that. A method that may be called has arguments and results that can travel, a
// context in front if it likes, and an error at the end if it likes. ctx ends when the caller
// gives up or dies, or the manager ends. The caller gets the error as a *proc.RemoteError,
// and so a panic, with its stack.
//
// Results of a registered type (a *U) arrive as proxies (an *Object[U]), those that are an
// iter.Seq or iter.Seq2 as an *Iterator; so does each result of the function that is
// a *T which lives already, as the same object. Proxies among the arguments are
// proxies in the manager too. If *T is an io.Closer, it is closed when nobody can reach
// the value any more.
func RegisterType[T, A any](name string, make func(ctx context.Context, arg A) (*T, error), o *TypeOptions) *Type[T, A] {
	if o == nil {
		o = new(TypeOptions)
	}
	t := &userType{name: name, receiver: reflect.TypeFor[*T](), methods: map[string]*method{}}
	if make == nil {
		panic(fmt.Sprintf("manager: register type %q without a function", name))
	}
	t.make = func(ctx context.Context, arg func(ptr any) error) (any, error) {
		var a A
		if err := arg(&a); err != nil {
			return nil, err
		}
		v, err := make(ctx, a)
		if err == nil && v == nil {
			err = fmt.Errorf("%w: %s is nil", ErrArgument, t.name)
		}
		return v, err
	}
	if err := t.expose(o); err != nil {
		panic(fmt.Sprintf("manager: register type %q: %v", name, err))
	}
	userTypes.add(t)
	return &Type[T, A]{name}
}

// New makes a value in a manager, and returns its proxy. Errors are also those of the
// function, as *proc.RemoteError, and ErrTooManyObjects. ctx bounds the whole call.
func (t *Type[T, A]) New(ctx context.Context, m *Manager, arg A) (*Object[T], error) {
	o := new(Object[T])
	c, err := m.use()
	if err == nil {
		err = c.construct(ctx, &o.proxy, t.name, arg)
	}
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", t.name, err)
	}
	return o, nil
}

// construct makes an object of a registered type.
func (c *conn) construct(ctx context.Context, p *proxy, name string, arg any) error {
	t := c.begin(0, opCreate)
	defer t.end()
	t.text(name)
	settle, err := put(t, arg)
	if err != nil {
		return err
	}
	defer settle()
	r, err := t.call(ctx, true)
	if err != nil {
		return err
	}
	id := r.number()
	if !r.done() {
		return ErrProtocol
	}
	p.set(c.gain(id))
	return nil
}

// Object is a proxy of a value of a registered type in a manager.
type Object[T any] struct{ proxy }

func kindOf[T any]() string {
	if t := userTypes.of(reflect.TypeFor[*T]()); t != nil {
		return t.name
	}
	return ""
}

// String describes the proxy. It does not ask the manager.
func (o *Object[T]) String() string { return o.describe(kindOf[T]()) }

// MarshalBinary lets the object travel. See Manager.MarshalBinary.
func (o *Object[T]) MarshalBinary() ([]byte, error) { return o.leave(kindOf[T]()) }

// UnmarshalBinary makes o the object that has arrived.
func (o *Object[T]) UnmarshalBinary(data []byte) error { return o.enter(kindOf[T](), data) }

// Call calls a method of an object, or a function that is exposed with it, and returns its
// result: R is the type of that, or *Object[U] or *Iterator[V] for what arrives so; for
// several results a slice of any, or an array or struct with a field for each; for none
// anything, such as any. Errors: ErrMethod, when there is no such method, or it has
// another number of arguments; ErrArgument for one that cannot travel, or be decoded as
// what the method takes; *proc.RemoteError for what the method returned, or its panic;
// those of all proxies. When ctx ends, the method is told by its own.
func Call[R, T any](ctx context.Context, o *Object[T], method string, args ...any) (R, error) {
	return call[R](ctx, &o.proxy, method, args)
}

func call[R any](ctx context.Context, p *proxy, method string, args []any) (result R, err error) {
	t, err := p.begin(userCall)
	if err != nil {
		return result, err
	}
	defer t.end()
	t.text(method)
	t.number(uint64(len(args)))
	for _, a := range args {
		settle, err := put(t, a)
		if err != nil {
			return result, err
		}
		defer settle()
	}
	r, err := t.call(ctx, true)
	if err != nil {
		return result, err
	}
	result, err = get[R](t, r.given())
	runtime.KeepAlive(p)
	return result, err
}

// Method is a method that is called with its types checked by the compiler.
type Method[T, A, R any] struct{ name string }

// MethodOf returns the method that fn is: a method expression, such as (*Counter).Add.
func MethodOf[T, A, R any](fn func(t *T, ctx context.Context, arg A) (R, error)) Method[T, A, R] {
	name := runtime.FuncForPC(reflect.ValueOf(fn).Pointer()).Name()
	return Method[T, A, R]{name[strings.LastIndexByte(name, '.')+1:]}
}

// Call calls the method of an object; see the function Call.
func (m Method[T, A, R]) Call(ctx context.Context, o *Object[T], arg A) (R, error) {
	return call[R](ctx, &o.proxy, m.name, []any{arg})
}

// userType is a registered type as the server knows it.
type userType struct {
	name     string
	receiver reflect.Type // *T
	make     func(ctx context.Context, arg func(ptr any) error) (any, error)
	methods  map[string]*method
}

// userTypes are the registered types.
var userTypes = &typeTable{byName: make(map[string]*userType), byType: make(map[reflect.Type]*userType)}

type typeTable struct {
	mu     sync.RWMutex
	byName map[string]*userType
	byType map[reflect.Type]*userType
}

func (t *typeTable) add(u *userType) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u.name == "" || t.byName[u.name] != nil || kinds[u.name] != nil || u.name == iteratorKind || u.name == "Manager" {
		panic(fmt.Sprintf("manager: register type %q: no name, or the name is taken", u.name))
	}
	if t.byType[u.receiver] != nil {
		panic(fmt.Sprintf("manager: register type %q: %v is registered already", u.name, u.receiver))
	}
	t.byName[u.name], t.byType[u.receiver] = u, u
}

func (t *typeTable) named(name string) *userType {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byName[name]
}

func (t *typeTable) of(r reflect.Type) *userType {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byType[r]
}

// method is what may be called of a type.
type method struct {
	fn      reflect.Value // the receiver is its first argument
	context bool          // it wants one
	args    []reflect.Type
	fails   bool // its last result is an error
	results int  // without that
}

var (
	contextType = reflect.TypeFor[context.Context]()
	errorType   = reflect.TypeFor[error]()
)

// expose finds the methods.
func (t *userType) expose(o *TypeOptions) error {
	names := o.Expose
	if names == nil {
		for i := range t.receiver.NumMethod() {
			if m := t.receiver.Method(i); newMethod(t.receiver, m.Func) != nil {
				t.methods[m.Name] = newMethod(t.receiver, m.Func)
			}
		}
	}
	for _, name := range names {
		if o.Functions[name] != nil {
			continue
		}
		m, ok := t.receiver.MethodByName(name)
		if !ok {
			return fmt.Errorf("%v has no exported method %s", t.receiver, name)
		}
		if t.methods[name] = newMethod(t.receiver, m.Func); t.methods[name] == nil {
			return fmt.Errorf("arguments of %s cannot travel", name)
		}
	}
	for name, fn := range o.Functions {
		v := reflect.ValueOf(fn)
		if v.Kind() != reflect.Func || v.IsNil() || v.Type().NumIn() == 0 || v.Type().In(0) != t.receiver {
			return fmt.Errorf("%s is no function of %v", name, t.receiver)
		}
		if t.methods[name] = newMethod(t.receiver, v); t.methods[name] == nil {
			return fmt.Errorf("arguments of %s cannot travel", name)
		}
	}
	return nil
}

// newMethod describes a function whose first argument is the receiver; nil if it cannot be
// called from elsewhere.
func newMethod(receiver reflect.Type, fn reflect.Value) *method {
	t := fn.Type()
	m := &method{fn: fn, results: t.NumOut()}
	from := 1
	if t.NumIn() > 1 && t.In(1) == contextType {
		m.context, from = true, 2
	}
	for i := from; i < t.NumIn(); i++ {
		if t.IsVariadic() || codec.Travels(t.In(i)) != nil {
			return nil
		}
		m.args = append(m.args, t.In(i))
	}
	if n := t.NumOut(); n > 0 && t.Out(n-1) == errorType {
		m.fails, m.results = true, n-1
	}
	return m
}
