package manager

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/codec"
)

// Namespace is a set of named values of any types, its attributes, which any number of
// processes share: Python's manager.Namespace. Its methods may be called from any
// goroutine; each takes effect at one instant, for all processes in the same order.
//
// An attribute whose name begins with _ stays in this proxy: nobody else sees it, it is not
// encoded, and it does not travel. Others are what values of a Dict are.
//
// Errors are those of Dict.
type Namespace struct {
	table[string, any]

	local  sync.Mutex
	hidden map[string]any
}

// NewNamespace makes a namespace without attributes. The process has it until Close, or
// until the proxy cannot be reached any more. Errors are also ErrTooManyObjects.
func NewNamespace(ctx context.Context, m *Manager) (*Namespace, error) {
	n := new(Namespace)
	if err := m.create(ctx, &n.proxy, namespaceKind, nil); err != nil {
		return nil, err
	}
	return n, nil
}

// In the server it is a dictionary.
var namespaceKind = kind("Namespace", func(*request, *node) (object, error) {
	return &dictObject{places: make(map[string]int)}, nil
})

// MarshalBinary lets the namespace travel. See Manager.MarshalBinary.
func (n *Namespace) MarshalBinary() ([]byte, error) { return n.leave(namespaceKind) }

// UnmarshalBinary makes n the namespace that has arrived.
func (n *Namespace) UnmarshalBinary(data []byte) error { return n.enter(namespaceKind, data) }

// isLocal says whether an attribute stays in the proxy.
func isLocal(name string) bool { return strings.HasPrefix(name, "_") }

// Set gives an attribute a value.
func (n *Namespace) Set(ctx context.Context, name string, v any) error {
	if isLocal(name) {
		n.local.Lock()
		defer n.local.Unlock()
		if n.hidden == nil {
			n.hidden = make(map[string]any)
		}
		n.hidden[name] = v
		return nil
	}
	_, err := n.write(ctx, dictSet, name, v)
	return err
}

// Get sets the variable that ptr points to, of whatever type, to an attribute's value.
// ErrKey: there is none. ErrArgument: ptr is no pointer. After ErrValue the variable may
// be half set. See Attr.
func (n *Namespace) Get(ctx context.Context, name string, ptr any) error {
	p := reflect.ValueOf(ptr)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("%w: attribute %q into a %T", ErrArgument, name, ptr)
	}
	if isLocal(name) {
		return n.getLocal(name, p.Elem())
	}
	return n.fetch(ctx, dictGet, name, func(t *trip, val given) error { return into(t, val, p.Type().Elem(), ptr) })
}

// Attr returns an attribute of a namespace as a T. Errors are those of Namespace.Get.
func Attr[T any](ctx context.Context, n *Namespace, name string) (v T, err error) {
	if err = n.Get(ctx, name, &v); err != nil {
		return *new(T), err
	}
	return v, nil
}

// getLocal sets what is there to an attribute of this proxy.
func (n *Namespace) getLocal(name string, to reflect.Value) error {
	n.local.Lock()
	v, there := n.hidden[name]
	n.local.Unlock()
	from := reflect.ValueOf(v)
	switch {
	case !there:
		return ErrKey
	case !from.IsValid(): // nil
		to.SetZero()
	case !from.Type().AssignableTo(to.Type()):
		return fmt.Errorf("%w: %q is a %v, not a %v", ErrValue, name, from.Type(), to.Type())
	default:
		to.Set(from)
	}
	return nil
}

// Delete removes an attribute. ErrKey: there is none.
func (n *Namespace) Delete(ctx context.Context, name string) error {
	if !isLocal(name) {
		return n.remove(ctx, name)
	}
	n.local.Lock()
	defer n.local.Unlock()
	if _, there := n.hidden[name]; !there {
		return ErrKey
	}
	delete(n.hidden, name)
	return nil
}

// Has says whether there is an attribute.
func (n *Namespace) Has(ctx context.Context, name string) (bool, error) {
	if !isLocal(name) {
		return n.test(ctx, dictContains, name)
	}
	n.local.Lock()
	defer n.local.Unlock()
	_, there := n.hidden[name]
	return there, nil
}

// Names returns the names of the attributes that others see, in the order in which they
// came.
func (n *Namespace) Names(ctx context.Context) ([]string, error) { return n.keys(ctx) }

// patience is for how long a String waits for the manager.
const patience = time.Second

// String returns the attributes that others see, such as Namespace(name="Bob"), in the
// order of their names' coming. It asks the manager; without an answer within a second it
// describes the proxy.
func (n *Namespace) String() string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	names, err := n.Names(ctx)
	if err != nil {
		return n.describe(namespaceKind)
	}
	var parts []string
	for _, name := range names {
		err := n.fetch(ctx, dictGet, name, func(t *trip, val given) error {
			text, err := show(t, val)
			parts = append(parts, name+"="+text)
			return err
		})
		if err != nil && !isErr(err, ErrKey) { // gone since
			return n.describe(namespaceKind)
		}
	}
	return namespaceKind + "(" + strings.Join(parts, ", ") + ")"
}

// show returns a value for people, and gives back what it leads to.
func show(t *trip, val given) (string, error) {
	var v any
	if len(val.refs) == 0 {
		if err := codec.Unmarshal(val.data, &v); err != nil {
			return "", err
		}
		switch v := v.(type) {
		case nil:
			return "nil", nil
		case string:
			return strconv.Quote(v), nil
		}
		return fmt.Sprint(v), nil
	}
	_ = into(t, val, reflect.TypeOf(&v).Elem(), &v) // a proxy in an any is a reference, which means nothing here
	var objects []string
	for i, id := range val.refs {
		objects = append(objects, fmt.Sprintf("%s(object %d)", val.kinds[i], id))
	}
	return strings.Join(objects, "+"), nil
}
