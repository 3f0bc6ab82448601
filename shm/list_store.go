package shm

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mem"
)

// How an item is stored in a list with a lock, so that it changes as a whole:
//
//	lock
//	    note := format, code, size, bytes    behind the list
//	    pending := i+1                       release: from here on it is stored
//	    format[i], code[i], slot[i] := note
//	    pending := 0                         release
//	unlock
//
// Whoever takes the lock, from a dead holder or a living one, first finishes what
// is pending. So a holder that dies before the store to pending has stored
// nothing, and what it had begun to note means nothing; one that dies after it
// has stored the item, because the next one to take the lock copies the whole
// note again, as often as its predecessors die with it. A holder that dies after
// pending is 0 again leaves nothing to do.
//
// The note and pending are read by the holder of the lock alone, who sees all that
// the last one stored: the lock orders that, or for a dead one, the fence of the
// take-over (internal/robust). Within a holder two orders count when it dies:
//
//	list/1  the note before pending
//	list/2  the item before pending becomes 0
//
// In a list without a lock the third line is all there is.

// At returns item i: an int64, float64, bool, string, []byte, which is a copy,
// or nil. In a list with a lock, unless attached read-only, it waits for the lock.
//
// Errors: ErrRange, ErrCorrupt, ErrClosed, ErrTruncated, and those of
// semaphore.Mutex.LockRepair.
func (l *ShareableList) At(i int) (v any, err error) {
	if i, err = l.check(i); err != nil {
		return nil, err
	}
	err = l.reading(func() (err error) { v, err = l.load(i); return err })
	return v, err
}

// Set replaces item i, by a value of any type that NewShareableList takes. A
// string or bytes must fit into the item's slot.
//
// Errors: ErrTooLong, ErrValue, ErrReadOnly, and those of At. The list is unchanged
// then.
func (l *ShareableList) Set(i int, v any) error {
	i, err := l.check(i)
	if err != nil {
		return err
	}
	p, err := pack(v)
	if err != nil {
		return fmt.Errorf("%s: item %d: %w", &l.attachment, i, err)
	}
	return l.holding(context.Background(), func() error {
		return l.guard(func() error { return l.put(i, p) })
	})
}

// Update lets f make a new value of item i. In a list with a lock everybody else
// waits meanwhile; in one without, what others store meanwhile is lost. If f
// fails or panics the item stays as it was, and the error is f's. ctx bounds the
// wait for the lock. f must not call methods of the list other than String, nor
// Close.
//
// Errors: those of Set, ctx's, and f's. The list is unchanged then.
func (l *ShareableList) Update(ctx context.Context, i int, f func(any) (any, error)) error {
	i, err := l.check(i)
	if err != nil {
		return err
	}
	return l.holding(ctx, func() error {
		var v any
		err := l.guard(func() (err error) { v, err = l.load(i); return err })
		if err != nil {
			return err
		}
		if v, err = f(v); err != nil {
			return err
		}
		p, err := pack(v)
		if err != nil {
			return fmt.Errorf("%s: item %d: %w", &l.attachment, i, err)
		}
		return l.guard(func() error { return l.put(i, p) })
	})
}

// check returns the index from the start.
func (l *ShareableList) check(i int) (int, error) {
	n, from := l.layout.n, i
	if i < 0 {
		from += n
	}
	switch {
	case !l.open.Load():
		return 0, fmt.Errorf("%s: %w", &l.attachment, ErrClosed)
	case from < 0 || from >= n:
		return 0, fmt.Errorf("%s: index %d of %d: %w", &l.attachment, i, n, ErrRange)
	}
	return from, nil
}

// holding runs f, which stores, with the lock held if there is one.
func (l *ShareableList) holding(ctx context.Context, f func() error) error {
	if l.mutex == nil {
		if err := l.beginCall(); err != nil {
			return err
		}
		defer l.endCall()
		return f()
	}
	err := l.lock(ctx, l.mutex, func(ctx context.Context) error {
		return l.mutex.LockRepair(ctx, func() error { return nil })
	})
	if err != nil {
		return err
	}
	defer l.endCall()
	defer l.unlock(l.mutex)
	if err := l.guard(l.finish); err != nil {
		return err
	}
	return f()
}

// reading runs f, which only loads, with the lock held if there is one and it can
// be.
func (l *ShareableList) reading(f func() error) error {
	if l.mutex != nil && !l.readOnly {
		return l.holding(context.Background(), func() error { return l.guard(f) })
	}
	return l.looking(f)
}

// looking runs f, which only loads, without the lock.
func (l *ShareableList) looking(f func() error) error {
	if !l.open.Load() {
		return fmt.Errorf("%s: %w", &l.attachment, ErrClosed)
	}
	err := l.guard(f)
	if !l.open.Load() {
		return fmt.Errorf("%s: %w", &l.attachment, ErrClosed) // f may have seen zeros
	}
	return err
}

// load reads an item. Each of its parts is read once.
func (l *ShareableList) load(i int) (any, error) {
	v, err := func() (any, error) {
		off, size, err := l.layout.slot(l.bytes, i)
		if err != nil {
			return nil, err
		}
		format, code := l.format(i), l.bytes[l.layout.codes()+i]
		n, err := width(format, code)
		if err != nil {
			return nil, err
		}
		if n > size {
			return nil, fmt.Errorf("%w: format %q in a slot of %d bytes", ErrCorrupt, format, size)
		}
		b := make([]byte, n)
		copyOut(b, words(l.bytes, off, size/8))
		return unpack(format, code, b)
	}()
	if err != nil {
		return nil, fmt.Errorf("%s: item %d: %w", &l.attachment, i, err)
	}
	return v, nil
}

// format is the format of an item, which may be anything.
func (l *ShareableList) format(i int) string { return l.layout.format(l.bytes, i) }

func (y listLayout) format(b []byte, i int) string {
	var f [8]byte
	binary.LittleEndian.PutUint64(f[:], word(b, y.formats()+8*i).Load())
	return string(bytes.TrimRight(f[:], "\x00"))
}

// note is what lies behind the list about the item that is being stored.
func (l *ShareableList) note() []mem.Uint64 {
	return words(l.bytes, l.layout.trailer()+trailerNote, noteWords+l.noteRoom()/8)
}

// noteRoom is how many bytes of an item the note has room for.
func (l *ShareableList) noteRoom() int {
	return (len(l.bytes) - l.layout.trailer() - noteBytes) &^ 7
}

// put stores an item. The caller holds the lock, if there is one.
func (l *ShareableList) put(i int, p packed) error {
	off, size, err := l.layout.slot(l.bytes, i)
	if err == nil {
		err = p.fits(size)
	}
	if err == nil && l.mutex != nil && len(p.bytes) > l.noteRoom() {
		err = fmt.Errorf("%w: no room behind the list for %d bytes", ErrCorrupt, len(p.bytes))
	}
	if err != nil {
		return fmt.Errorf("%s: item %d: %w", &l.attachment, i, err)
	}
	var format [8]byte
	copy(format[:], p.format(size))
	if l.mutex == nil {
		l.store(i, off, size, binary.LittleEndian.Uint64(format[:]), p.code, p.bytes)
		return nil
	}
	crashpoint.Hit("shm/list-noting")
	note := l.note()
	note[1].StoreRelaxed(binary.LittleEndian.Uint64(format[:]))
	note[2].StoreRelaxed(uint64(p.code))
	note[3].StoreRelaxed(uint64(len(p.bytes)))
	copyIn(note[noteWords:], p.bytes)
	crashpoint.Hit("shm/list-noted")
	note[0].StoreRelease(uint64(i) + 1) // list/1
	crashpoint.Hit("shm/list-pending")
	return l.finish()
}

// finish stores the item that is pending, if there is one. The caller holds the
// lock.
func (l *ShareableList) finish() error {
	note := l.note()
	pending := note[0].Load() // list/1
	if pending == 0 {
		return nil
	}
	bad := func() error {
		return fmt.Errorf("%s: %w: the note of item %d", &l.attachment, ErrCorrupt, pending-1)
	}
	if pending > uint64(l.layout.n) {
		return bad()
	}
	i, format, code, n := int(pending-1), note[1].Load(), note[2].Load(), note[3].Load()
	off, size, err := l.layout.slot(l.bytes, i)
	if err != nil {
		return err
	}
	var text [8]byte
	binary.LittleEndian.PutUint64(text[:], format)
	w, err := width(string(bytes.TrimRight(text[:], "\x00")), byte(code))
	isText := code == codeString || code == codeBytes
	if err != nil || code > codeNil || w > size || n > uint64(w) || n > uint64(l.noteRoom()) || !isText && n != 8 {
		return bad()
	}
	b := make([]byte, n)
	copyOut(b, note[noteWords:])
	l.store(i, off, size, format, byte(code), b)
	note[0].StoreRelease(0) // list/2
	crashpoint.Hit("shm/list-finished")
	return nil
}

// store stores the parts of an item in Python's order. What is as it should be is
// left alone: then a number is one store.
func (l *ShareableList) store(i, off, size int, format uint64, code byte, b []byte) {
	if f := word(l.bytes, l.layout.formats()+8*i); f.Load() != format {
		f.StoreRelaxed(format)
		crashpoint.Hit("shm/list-formatted")
	}
	if c := &l.bytes[l.layout.codes()+i]; *c != code {
		*c = code
		crashpoint.Hit("shm/list-coded")
	}
	slot := words(l.bytes, off, size/8)
	copyIn(slot, b)
	crashpoint.Hit("shm/list-stored")
	if code == codeString || code == codeBytes {
		for j := (len(b) + 7) / 8; j < len(slot); j++ {
			slot[j].StoreRelaxed(0)
		}
		crashpoint.Hit("shm/list-padded")
	}
}
