package shmfile

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"reflect"
	"strconv"

	"github.com/shmkit/shmkit/internal/plain"
	"github.com/shmkit/shmkit/internal/robust"
)

// Kind says what an object is.
type Kind uint32

// The numbers are part of the format.
const (
	KindObject Kind = 1 + iota // shm.Object
	KindValue                  // shm.Value
	KindArray                  // shm.Array
	KindRing                   // ringbuf.Ring
	KindChan                   // ringbuf.Chan
	KindCalls                  // ringbuf.Serve, ringbuf.Client
)

var kindNames = [...]string{KindObject: "object", KindValue: "value", KindArray: "array", KindRing: "ring", KindChan: "channel", KindCalls: "calls"}

func (k Kind) String() string {
	if k == 0 || int64(k) >= int64(len(kindNames)) {
		return "kind " + strconv.FormatUint(uint64(k), 10)
	}
	return kindNames[k]
}

// Spec is what a header says about its object.
type Spec struct {
	Kind        Kind
	Version     uint32    // of the format; NewHeader fills it in
	Fingerprint uint64    // of the layout of what the object holds
	Size        int64     // of the whole file, bytes
	Sizes       [2]uint64 // two numbers whose meaning depends on the kind
	Namespace   uint64    // the creator's pid namespace
	ID          [16]byte  // random; tells two objects of one name apart
	Creator     uint64    // the creator's pid there, 0 if unknown
	Started     uint64    // when that process had started, as robust.Process has it
	About       [2]uint64 // where the description of the type is, and its size; for show
}

// NewHeader returns the header of a new object. It fills in the namespace, the
// id and the creator.
func NewHeader(s Spec) ([]byte, error) {
	ns, err := Namespace()
	if err != nil {
		return nil, err
	}
	self, _ := robust.Self() // for people: an object without will do
	h := header{
		Version:     Version,
		Kind:        uint32(s.Kind),
		Fingerprint: s.Fingerprint,
		Size:        uint64(s.Size),
		Sizes:       s.Sizes,
		Namespace:   ns,
		Creator:     uint64(self.PID),
		Started:     self.Start,
		About:       s.About[0],
		AboutSize:   s.About[1],
	}
	copy(h.Magic[:], magic)
	rand.Read(h.ID[:]) // never fails
	return binary.Append(nil, binary.LittleEndian, &h)
}

// Read reads a header, which may hold anything, and checks what can be checked
// without knowing what the object should be: the magic, the version, and the size
// that the file really has.
func Read(b []byte, size int64) (Spec, error) {
	if len(b) < HeaderSize {
		return Spec{}, fmt.Errorf("%w: %d bytes, the header alone has %d", ErrTruncated, len(b), HeaderSize)
	}
	s, err := decode(b)
	if err == nil {
		err = s.fits(size)
	}
	return s, err
}

func decode(b []byte) (Spec, error) {
	var h header
	if _, err := binary.Decode(b, binary.LittleEndian, &h); err != nil {
		return Spec{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	s := Spec{Kind(h.Kind), h.Version, h.Fingerprint, int64(h.Size), h.Sizes, h.Namespace, h.ID, h.Creator, h.Started, [2]uint64{h.About, h.AboutSize}}
	switch {
	case string(h.Magic[:]) != magic:
		return s, ErrForeign
	case h.Version != Version:
		return s, fmt.Errorf("%w: %d, this program knows %d", ErrVersion, h.Version, Version)
	}
	return s, nil
}

// fits compares the size in the header with that of the file.
func (s Spec) fits(size int64) error {
	switch {
	case s.Size > size:
		return fmt.Errorf("%w: %d bytes of %d", ErrTruncated, size, s.Size)
	case s.Size != size:
		return fmt.Errorf("%w: %d bytes, the header says %d", ErrCorrupt, size, s.Size)
	}
	return nil
}

// Check compares a header, which may hold anything, with what is wanted: kind,
// fingerprint and namespace, and the size that the file really has. It returns
// what the header says. Each field that differs has an error of its own; what
// Sizes mean is left to the caller.
func Check(b []byte, want Spec) (Spec, error) {
	if len(b) < HeaderSize {
		return Spec{}, fmt.Errorf("%w: %d bytes, the header alone has %d", ErrTruncated, len(b), HeaderSize)
	}
	s, err := decode(b)
	switch {
	case err != nil:
		return s, err
	case s.Kind != want.Kind:
		return s, fmt.Errorf("%w: %v, not %v", ErrKind, s.Kind, want.Kind)
	case s.Namespace != want.Namespace:
		return s, ErrForeignNamespace
	case s.Fingerprint != want.Fingerprint:
		return s, fmt.Errorf("%w: fingerprint %016x, not %016x", ErrLayout, s.Fingerprint, want.Fingerprint)
	}
	return s, s.fits(want.Size)
}

// HasMagic says whether b begins as a header does.
func HasMagic(b []byte) bool { return len(b) >= len(magic) && string(b[:len(magic)]) == magic }

// Kinds are all that there are.
func Kinds() (all []Kind) {
	for k := range kindNames {
		if k != 0 {
			all = append(all, Kind(k))
		}
	}
	return all
}

// HeaderLayout is the header's, for tools.
func HeaderLayout() *plain.Layout { return plain.LayoutOf(reflect.TypeFor[header](), true) }
