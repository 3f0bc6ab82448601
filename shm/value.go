package shm

import (
	"context"
	"fmt"
	"reflect"
	"runtime"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/plain"
	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/semaphore"
)

// Value is one T in shared memory that changes as a whole: every Load returns
// what one Store or Update put there, whoever is killed in the middle of which
// call. T must be plain (see *TypeError), and hold no semaphore.Mutex, because
// it is copied. It takes twice the memory of T; twin.go has the protocol.
//
// Store and Update take turns by a lock of the value's own. If its holder dies
// the next caller goes on with the last value that was stored: there is nothing
// to repair. A stopped holder keeps it. Load takes no lock and waits for nobody.
//
// A Store or successful Update synchronizes before a Load that returns its
// value. No method allocates memory unless it has to wait.
//
// It implements encoding.BinaryMarshaler as an argument of package proc.
type Value[T any] struct {
	attachment
	mutex   *semaphore.Mutex
	twin    twin
	scratch T // of Update; guarded by mutex
}

func valueShape[T any]() shape {
	return shape{kind: shmfile.KindValue, t: reflect.TypeFor[T](), offset: slotsOffset, stride: 2 * slotStride(sizeOf[T]()), n: 1}
}

// checkCopies refuses what must not be copied.
func checkCopies(t reflect.Type) error {
	for range plain.Find(t, 1, synchronises) {
		return &TypeError{Type: t, Path: t.String(), Reason: "holds a lock of package semaphore, which must not be copied; use an Object"}
	}
	return nil
}

// NewValue creates a value that is init, anonymous if name is empty.
//
// Errors: those of NewObject.
func NewValue[T any](name string, init T, o *Options) (*Value[T], error) {
	v, s := new(Value[T]), valueShape[T]()
	if err := checkCopies(s.t); err != nil {
		return nil, fmt.Errorf("shm: value: %w", err)
	}
	_, err := v.create(name, s, o, func(b []byte) {
		at[semaphore.Mutex](b, lockOffset).Init()
		twin := twinAt[T](b)
		copyIn(twin.slots[0], bytesOf(&init))
	})
	if err != nil {
		return nil, err
	}
	v.place()
	return v, nil
}

// OpenValue attaches to a named value.
//
// Errors: those of OpenObject.
func OpenValue[T any](ctx context.Context, name string, o *OpenOptions) (*Value[T], error) {
	v := new(Value[T])
	if _, err := v.find(ctx, name, valueShape[T](), o); err != nil {
		return nil, err
	}
	v.place()
	return v, nil
}

// twinAt finds the slots in the memory of a value.
func twinAt[T any](b []byte) twin {
	size := sizeOf[T]()
	n := (size + 7) / 8
	return twin{
		commits: &words(b, commitsOffset, 1)[0],
		slots:   [2][]mem.Uint64{words(b, slotsOffset, n), words(b, slotsOffset+slotStride(size), n)},
	}
}

func (v *Value[T]) place() {
	v.mutex = at[semaphore.Mutex](v.m.Bytes(), lockOffset)
	v.twin = twinAt[T](v.m.Bytes())
	if !v.readOnly && !v.truncatable {
		v.turn.open()
	}
}

// patience is how many stores may overtake a Load before it asks for the lock.
const patience = 100

// Load returns the value as of some instant during the call. It works on
// read-only attachments.
//
// Errors: ErrClosed, ErrTruncated.
func (v *Value[T]) Load() (T, error) {
	var x T
	err := v.loadTo(bytesOf(&x))
	if err != nil {
		var zero T
		return zero, err
	}
	return x, nil
}

func (v *Value[T]) loadTo(dst []byte) error {
	if !v.open.Load() {
		return fmt.Errorf("load %s: %w", v, ErrClosed)
	}
	err := v.guard(func() error {
		for tries := 0; !v.twin.tryLoad(dst); tries++ {
			if tries < patience {
				continue
			}
			// Stores come faster than this large value can be copied. Hold them
			// up once, if possible; whoever holds the lock will not for ever.
			runtime.Gosched()
			if !v.readOnly && v.loadLocked(dst) {
				return nil
			}
		}
		return nil
	})
	if err == nil && !v.open.Load() {
		return fmt.Errorf("load %s: %w", v, ErrClosed) // dst may be zeros
	}
	v.held.Acquire() // what came before the store that was seen
	return err
}

func (v *Value[T]) loadLocked(dst []byte) bool {
	if v.beginCall() != nil {
		return false
	}
	defer v.endCall()
	if v.mutex.TryLock() != nil {
		return false
	}
	defer v.mutex.Unlock()
	v.twin.load(dst)
	return true
}

// Store replaces the value. It waits as long as another call holds the lock.
//
// Errors: ErrClosed, ErrReadOnly, ErrTruncated, and those of
// semaphore.Mutex.LockRepair. The value is unchanged then.
func (v *Value[T]) Store(x T) error {
	if v.turn.take() && v.tryStore(bytesOf(&x)) {
		return nil
	}
	if err := v.take(context.Background()); err != nil {
		return err
	}
	defer v.give()
	return v.commit(bytesOf(&x))
}

// tryStore stores if the lock is free and was no dead process's. The caller has the
// turn, and gives it.
func (v *Value[T]) tryStore(b []byte) bool {
	ok := v.mutex.TryLock() == nil
	if ok {
		v.held.Acquire()
		v.held.ReleaseMerge()
		v.twin.store(b)
		v.mutex.Unlock()
	}
	v.turn.give()
	return ok
}

// Update lets f change the value while everybody else's stores wait. If f fails
// or panics the value stays as it was, and the error is f's. Loads return the
// old value until f has returned. ctx bounds the wait for the lock.
//
// f gets a private copy. It must not keep the pointer, nor call Store, Update or
// Close of the same value.
//
// Errors: those of Store, ctx's, and f's. The value is unchanged then.
func (v *Value[T]) Update(ctx context.Context, f func(*T) error) error {
	if err := v.take(ctx); err != nil {
		return err
	}
	defer v.give()
	b := bytesOf(&v.scratch)
	if err := v.guard(func() error { v.twin.load(b); return nil }); err != nil {
		return err
	}
	if err := f(&v.scratch); err != nil {
		return err
	}
	return v.commit(b)
}

// commit makes b the value. The lock is held.
func (v *Value[T]) commit(b []byte) error {
	v.held.ReleaseMerge() // for those who load before the lock is free
	return v.guard(func() error { v.twin.store(b); return nil })
}

// take and give hold the lock. A dead holder needs no repair, see twin.
func (v *Value[T]) take(ctx context.Context) error {
	return v.lock(ctx, v.mutex, func(ctx context.Context) error {
		return v.mutex.LockRepair(ctx, func() error { return nil })
	})
}

func (v *Value[T]) give() {
	v.unlock(v.mutex)
	v.endCall()
}
