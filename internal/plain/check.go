package plain

import "reflect"

// Error reports a type that cannot live in shared memory.
type Error struct {
	Type   reflect.Type // the type that was checked
	Path   string       // the field at fault: "Account.log[].next"
	Reason string       // what it is: "pointer"
}

func (e *Error) Error() string { return e.Path + ": " + e.Reason }

// reasons names the kinds that hold an address of one process.
var reasons = map[reflect.Kind]string{
	reflect.Invalid:       "no type",
	reflect.Uintptr:       "uintptr",
	reflect.Chan:          "channel",
	reflect.Func:          "func",
	reflect.Interface:     "interface",
	reflect.Map:           "map",
	reflect.Pointer:       "pointer",
	reflect.Slice:         "slice",
	reflect.String:        "string",
	reflect.UnsafePointer: "unsafe.Pointer",
}

// Check returns nil if values of type t may live in shared memory, else an
// *Error that names the first field that may not.
func Check(t reflect.Type) error {
	c := checker{root: t, passed: map[reflect.Type]bool{}}
	if t == nil {
		return c.fault("nil", "no type")
	}
	if err := c.check(t, name(t)); err != nil {
		return err
	}
	return nil
}

// name is the start of a path: the type's own name where it has one.
func name(t reflect.Type) string {
	if t.Name() != "" {
		return t.Name()
	}
	return t.String()
}

type checker struct {
	root   reflect.Type
	passed map[reflect.Type]bool // a type is looked into once, however often it is repeated
}

func (c *checker) fault(path, reason string) *Error {
	return &Error{Type: c.root, Path: path, Reason: reason}
}

func (c *checker) check(t reflect.Type, path string) *Error {
	if t.Size() == 0 || c.passed[t] {
		return nil
	}
	if t.PkgPath() == "sync" {
		return c.fault(path, t.String()+", which works inside one process only")
	}
	if reason, bad := reasons[t.Kind()]; bad {
		return c.fault(path, reason)
	}
	switch t.Kind() {
	case reflect.Array:
		if err := c.check(t.Elem(), path+"[]"); err != nil {
			return err
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if err := c.check(f.Type, path+"."+f.Name); err != nil {
				return err
			}
		}
	}
	c.passed[t] = true
	return nil
}
