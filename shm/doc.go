// Package shm gives several processes memory in common, with a name, a type and
// a lifetime.
//
// There are five kinds. A [Segment] is raw bytes, the same as Python's
// SharedMemory. A [ShareableList] is Python's ShareableList. An [Object] is one Go value that synchronises itself, with the
// types of package semaphore and sync/atomic. A [Value] is one Go value that
// changes as a whole. An [Array] is many Go values and a lock. [View] and
// [ViewSlice] are typed windows on raw bytes.
//
// Types in shared memory are plain: booleans, numbers, and arrays and structs
// of them. Everything else is refused with a [*TypeError] that names the field.
// All but segments and Python's lists carry a header, and opening compares it with what is
// expected: kind, layout of the type, size.
//
// # Lifetime
//
// An object without a name (name == "") is anonymous: it travels to other
// processes as an argument of package proc, and the kernel frees it with its
// last user. A named one is the file /dev/shm/NAME, mode 0600. It appears under
// its name complete or not at all, and stays until Unlink, unless Options.Owner
// gives it an owner: the handle that made it (OwnerCreator) or all its users
// (OwnerUsers). Then the name goes when the creator, or the last user, closes the
// object, or ends in order, which is: by proc.Exit, or as a child of package proc.
// A program that ends otherwise closes what it has, or puts it into a [Scope] and
// closes that. Attaching never unlinks, nor does a failed attempt to; what is
// attached stays usable when its name has gone. All
// memory is allocated by the constructor, so that a lack of it is ErrNoSpace
// there, and not a crash later. A constructor that fails leaves nothing behind.
//
// After a crash, the name of an object that has an owner is removed by the last of
// its other users, by whoever makes a new object of that name, or by [Sweep]. Who
// uses an object is known from the kernel, so a process that is stopped is a user,
// and one that was killed is none from that instant on. [List] shows what there is.
//
// The garbage collector does not unmap: call Close.
//
// # Concurrency, death, trust
//
// All methods may be called from any number of goroutines of any number of
// processes, unless they say otherwise. What is handed out as a pointer or
// slice is memory in which others may store at any time; how to take turns is
// said with each kind.
//
// A process may be killed at any instruction. A Value then holds what was
// stored last, and so do the items of a ShareableList that has a lock. The lock of
// an Array, and every semaphore.Mutex in an Object,
// reports semaphore.ErrOwnerDied until somebody repairs what it protects.
//
// Processes that can write to the memory are trusted not to be hostile to its
// contents, but cannot make a method panic or crash: the memory of anonymous
// objects is sealed. A named file can be truncated by any process of the same
// user. Methods that copy then return [ErrTruncated]; an access through a
// pointer or slice faults.
//
//	v, err := shm.NewValue("mode", Mode{Rate: 50}, nil)
//	...
//	err = v.Update(ctx, func(m *Mode) error { m.Rate++; return nil })
//	// elsewhere
//	v, err := shm.OpenValue[Mode](ctx, "mode", &shm.OpenOptions{Wait: true})
//	mode, err := v.Load()
package shm
