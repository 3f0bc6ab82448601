//go:build linux && (amd64 || arm64)

package mem

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// Map maps the first size bytes of f, shared. The file must be that large.
//
// The map itself is mmap-go's; the kernel then duplicates it at its place in
// the arena (mremap with an old size of 0, see mremap(2)), and the first one
// goes away. Without an arena the duplicate lies where the kernel likes. Huge
// pages are mapped in place.
func Map(f *os.File, size int, o Options) (*Mapping, error) {
	whole := (uintptr(size) + o.pageMask()) &^ o.pageMask()
	return place(o, whole, uintptr(size), whole, func(at unsafe.Pointer) error {
		return mapAt(f, 0, size, o, at)
	})
}

// MapRing maps the first head bytes of f, then its following data bytes
// twice, back to back: a message that begins anywhere in the first copy is
// contiguous. Behind them it maps the more bytes that follow in f, of which there
// may be none. All three must be multiples of the page size. Only the head has a
// shadow.
func MapRing(f *os.File, head, data, more int, o Options) (*Mapping, error) {
	if (uintptr(head)|uintptr(data)|uintptr(more))&pageMask() != 0 || more < 0 {
		return nil, fmt.Errorf("map ring: head %d, data %d and more %d must be multiples of the page size", head, data, more)
	}
	whole := uintptr(head) + 2*uintptr(data) + uintptr(more)
	return place(o, whole, whole, uintptr(head), func(at unsafe.Pointer) error {
		if err := mapAt(f, 0, head+data, o, at); err != nil {
			return err
		}
		at = unsafe.Add(at, head+data)
		if err := mapAt(f, int64(head), data, o, at); err != nil || more == 0 {
			return err
		}
		return mapAt(f, int64(head+data), more, o, unsafe.Add(at, data))
	})
}

// place finds room for whole bytes, gives the first shadow bytes a shadow, and
// lets put map there. On an error nothing stays mapped.
func place(o Options, whole, size, shadow uintptr, put func(unsafe.Pointer) error) (*Mapping, error) {
	align := o.alignment(whole)
	room := whole + align // what alignment leaves; at least a page that is not mapped stops overruns
	off, ok := takeSpan(room)
	m := &Mapping{opts: o, off: off, room: room, placed: ok}
	var at unsafe.Pointer
	if ok {
		at = unsafe.Add(nil, (arenaBase.Load()+off+align-1)&^(align-1))
		if err := zeroFixed(unsafe.Add(at, arenaSize.Load()), shadow); err != nil {
			giveSpan(off, room)
			return nil, err
		}
	} else {
		if o.HugePage > 0 {
			return nil, fmt.Errorf("%w: there is no arena to align huge pages in", errors.ErrUnsupported)
		}
		p, err := unix.MmapPtr(-1, 0, nil, whole, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
		if err != nil {
			return nil, fmt.Errorf("reserve address space: %w", err)
		}
		at, m.room = p, whole
	}
	if err := put(at); err != nil {
		_ = m.vacate(at)
		return nil, err
	}
	m.bytes = unsafe.Slice((*byte)(at), size)
	space.Lock()
	space.live = append(space.live, m)
	space.Unlock()
	return m, nil
}

// hugeAlignment is what the address of a large mapping is a multiple of, so that the
// kernel can use huge pages for it where it is set up to. It is left out in an arena
// that is too small for such waste.
const (
	hugeAlignment  = 2 << 20
	alignInArenaOf = 64 << 30
)

// alignment of a mapping of whole bytes: at least a page.
func (o Options) alignment(whole uintptr) uintptr {
	switch {
	case o.HugePage > 0:
		return uintptr(o.HugePage)
	case whole >= hugeAlignment && ShadowDistance() >= alignInArenaOf:
		return hugeAlignment
	}
	return pageMask() + 1
}

func (o Options) pageMask() uintptr {
	if o.HugePage > 0 {
		return uintptr(o.HugePage) - 1
	}
	return pageMask()
}

func mapAt(f *os.File, off int64, size int, o Options, at unsafe.Pointer) error {
	whole := (uintptr(size) + o.pageMask()) &^ o.pageMask()
	if o.HugePage > 0 { // of a map of those the kernel makes no duplicate
		prot := unix.PROT_READ | unix.PROT_WRITE
		if o.ReadOnly {
			prot = unix.PROT_READ
		}
		if _, err := unix.MmapPtr(int(f.Fd()), off, at, whole, prot, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
			return fmt.Errorf("map %s: %w", f.Name(), err)
		}
		return nil
	}
	prot := mmap.RDWR
	if o.ReadOnly {
		prot = mmap.RDONLY
	}
	first, err := mmap.MapRegion(f, size, prot, 0, off)
	if err != nil {
		return fmt.Errorf("map %s: %w", f.Name(), err)
	}
	_, err = unix.MremapPtr(unsafe.Pointer(&first[0]), 0, at, whole, unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED)
	if e := first.Unmap(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("place map of %s: %w", f.Name(), err)
	}
	return nil
}

// Retire ends the life of the mapping for Find, before it is closed: no cell in
// it can be linked into a robust list from then on. Revive undoes it.
func (m *Mapping) Retire() {
	space.Lock()
	defer space.Unlock()
	if i := slices.Index(space.live, m); i >= 0 {
		space.live = slices.Delete(space.live, i, i+1)
		space.retired = append(space.retired, m)
	}
}

// Revive undoes Retire.
func (m *Mapping) Revive() {
	space.Lock()
	defer space.Unlock()
	if i := slices.Index(space.retired, m); i >= 0 {
		space.retired = slices.Delete(space.retired, i, i+1)
		space.live = append(space.live, m)
	}
}

// Closed says whether p lies in the arena where there is no mapping, or none any
// more. A retired one still is.
func Closed(p unsafe.Pointer) bool {
	if Shadow(p) == nil {
		return false
	}
	space.Lock()
	defer space.Unlock()
	holds := func(m *Mapping) bool { return m.holds(p) }
	return !slices.ContainsFunc(space.live, holds) && !slices.ContainsFunc(space.retired, holds)
}

// holds says whether p lies in the mapping.
func (m *Mapping) holds(p unsafe.Pointer) bool {
	return uintptr(p)-uintptr(unsafe.Pointer(&m.bytes[0])) < uintptr(len(m.bytes))
}

// Close puts private zero memory in the place of the mapping: late accesses
// through old slices meet zeros instead of faults or somebody else's bytes.
// The caller has taken the range's cells out of the robust lists before
// (robust.Unmap does both). Close is idempotent; after an error the map still
// stands.
func (m *Mapping) Close() error {
	if m.closed {
		return nil
	}
	m.Retire()
	if err := m.vacate(unsafe.Pointer(&m.bytes[0])); err != nil {
		return err
	}
	m.closed = true
	space.Lock()
	defer space.Unlock()
	space.retired = slices.DeleteFunc(space.retired, func(r *Mapping) bool { return r == m })
	return nil
}

// vacate makes the range, and in the arena its shadow, zero memory. It covers
// what was taken for alignment and the guard pages too, so that the kernel can join
// closed ranges that are neighbours: a process may have some 65 000 maps.
func (m *Mapping) vacate(at unsafe.Pointer) error {
	if !m.placed {
		if err := zeroFixed(at, m.room); err != nil {
			return err
		}
		abroad.add(at, m.room)
		return nil
	}
	from := unsafe.Add(nil, arenaBase.Load()+m.off)
	if err := zeroFixed(from, m.room); err != nil {
		return err
	}
	if err := zeroFixed(unsafe.Add(from, arenaSize.Load()), m.room); err != nil {
		return err
	}
	giveSpan(m.off, m.room)
	return nil
}

// Sync writes changed pages back to a file that has a disk behind it
// (msync MS_SYNC); on tmpfs and memfds it does nothing.
func (m *Mapping) Sync() error {
	if m.closed {
		return ErrClosed
	}
	return mmap.MMap(m.bytes).Flush()
}

// Lock keeps the pages in memory (mlock; RLIMIT_MEMLOCK bounds it).
func (m *Mapping) Lock() error {
	if m.closed {
		return ErrClosed
	}
	return mmap.MMap(m.bytes).Lock()
}

// Unlock undoes Lock.
func (m *Mapping) Unlock() error {
	if m.closed {
		return ErrClosed
	}
	return mmap.MMap(m.bytes).Unlock()
}

// Find says whether p lies in a mapping that lives, and whether that one's file
// may shrink.
func Find(p unsafe.Pointer) (live, truncatable bool) {
	space.Lock()
	defer space.Unlock()
	for _, m := range space.live {
		if m.holds(p) {
			return true, m.opts.Truncatable
		}
	}
	return false, false
}

func pageMask() uintptr { return uintptr(unix.Getpagesize()) - 1 }
