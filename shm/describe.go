package shm

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/plain"
	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/semaphore"
)

// Describers is for the tool cmd/shmkit: for each kind of object of this package, how
// to say what is in its file. Nothing is locked, mapped or written.
func Describers() []describe.Kind {
	return []describe.Kind{
		{Name: shmfile.KindObject.String(), Describe: describeObject},
		{Name: shmfile.KindValue.String(), Describe: describeValue},
		{Name: shmfile.KindArray.String(), Describe: describeArray},
		{Name: "list", Is: isList, Describe: describeList},
		{Name: "segment", Is: func(string, *describe.File) bool { return true }, Describe: func(d *describe.Description) error {
			d.Root.Add("size", d.File.Size()).Set(describe.Bytes(d.File.Size()))
			return nil
		}},
	}
}

// described checks the numbers in the header, of which there are n values, against the
// file. It returns the layout of one value, as the file describes it.
func described(d *describe.Description, offset, stride int64) (l *plain.Layout, n int64, err error) {
	count, size := d.Spec.Sizes[0], d.Spec.Sizes[1]
	if stride < 0 || count > uint64(d.File.Size()) && size > 0 || offset > d.File.Size() ||
		stride > 0 && int64(count) > (d.File.Size()-offset)/stride {
		return nil, 0, fmt.Errorf("%w: %d × %d bytes in a file of %d", ErrCorrupt, count, size, d.File.Size())
	}
	l = d.Type
	if l == nil || uint64(l.Size) != size {
		if l != nil {
			d.Root.Add("type", "does not fit").Set(fmt.Sprintf("%d bytes, a value has %d", l.Size, size))
		}
		l = &plain.Layout{Name: "bytes", Size: int64(size)}
	}
	return l, int64(min(count, 1<<46)), nil
}

func describeObject(d *describe.Description) error {
	size := int64(min(d.Spec.Sizes[1], 1<<46))
	l, _, err := described(d, objectOffset, size)
	if err != nil {
		return err
	}
	d.Part("value", objectOffset, l)
	d.Values(d.Root.Group("value"), "", objectOffset, l)
	return nil
}

// describeLock says who has the lock that values and arrays have.
func describeLock(d *describe.Description) error {
	d.Table("lock", lockOffset, reflect.TypeFor[semaphore.Mutex](), 1)
	b, err := d.File.Read(lockOffset, int64(sizeOf[semaphore.Mutex]()))
	if err != nil {
		return err
	}
	d.Lockable(d.Root.Group("lock"), "lock", "semaphore.Mutex", b)
	return nil
}

func describeArray(d *describe.Description) error {
	if err := describeLock(d); err != nil {
		return err
	}
	size := int64(min(d.Spec.Sizes[1], 1<<46))
	l, n, err := described(d, elementsOffset, size)
	if err != nil {
		return err
	}
	d.Root.Add("len", n)
	all := &plain.Layout{Elem: l, Len: n, Size: n * l.Size}
	d.Part("elements", elementsOffset, all)
	d.Values(d.Root.Group("elements"), "elements", elementsOffset, all)
	return nil
}

// describeValue reads the current one of the two slots, again if there was a commit
// meanwhile.
func describeValue(d *describe.Description) error {
	if err := describeLock(d); err != nil {
		return err
	}
	stride := int64(min(d.Spec.Sizes[1], 1<<46)+uint64(slotStride(1))-1) &^ int64(slotStride(1)-1)
	l, _, err := described(d, slotsOffset, 2*stride)
	if err != nil {
		return err
	}
	d.Table("commits", commitsOffset, reflect.TypeFor[uint64](), 1)
	d.Part("slot[0]", slotsOffset, l)
	d.Part("slot[1]", slotsOffset+stride, l)
	commits := func() (uint64, error) {
		b, err := d.File.Read(commitsOffset, 8)
		if err != nil {
			return 0, err
		}
		return word(b, 0).Load(), nil
	}
	n, at := d.Root.Group("value"), len(d.Locks)
	for tries := 0; ; tries++ {
		before, err := commits()
		if err != nil {
			return err
		}
		d.Values(n, "", slotsOffset+int64(before%2)*stride, l)
		after, err := commits()
		if err != nil {
			return err
		}
		if after == before || tries == patience {
			d.Root.Add("commits", after)
			if after != before {
				n.Set("changes faster than it can be read")
			}
			return nil
		}
		*n, d.Locks = describe.Node{Name: n.Name}, d.Locks[:at]
	}
}

// mostList is the largest list that is looked at.
const mostList = 16 << 20

func isList(_ string, f *describe.File) bool {
	if !mayBeList(f) {
		return false
	}
	b, err := f.Read(0, min(f.Size(), mostList))
	if err != nil {
		return false
	}
	y, filled, err := measure(b)
	if err != nil || !filled || y.n == 0 {
		return false
	}
	for i := range min(y.n, 16) { // what else begins with such numbers?
		if _, err := width(y.format(b, i), b[y.codes()+i]); err != nil {
			return false
		}
	}
	return true
}

// mayBeList looks at three words: most of what is no list need not be read.
func mayBeList(f *describe.File) bool {
	at := func(off int64) int64 {
		b, err := f.Read(off, 8)
		if err != nil {
			return -1
		}
		return int64(word(b, 0).Load())
	}
	n := at(0)
	if n <= 0 || n > f.Size()/8 || at(8) != 0 {
		return false
	}
	y := listLayout{n: int(n)}
	k := at(int64(y.slots()) - 8)
	return k > 0 && k%8 == 0 && k <= f.Size() && int64(y.size())+k <= f.Size()
}

func describeList(d *describe.Description) error {
	b, err := d.File.Read(0, min(d.File.Size(), mostList))
	if err != nil {
		return err
	}
	y, _, err := measure(b)
	if err != nil {
		return err
	}
	d.Root.Add("len", y.n)
	d.Table("n", 0, reflect.TypeFor[int64](), 1)
	d.Table("offset", 8, reflect.TypeFor[int64](), y.n+1)
	d.Part("formats", int64(y.formats()), &plain.Layout{Elem: &plain.Layout{Name: "text", Size: 8}, Len: int64(y.n), Size: 8 * int64(y.n)})
	d.Table("code", int64(y.codes()), reflect.TypeFor[int8](), y.n)
	if len(b) > y.size() {
		if err := describeTrailer(d, y, b); err != nil {
			return err
		}
	}
	items := d.Root.Group("items")
	items.List = true
	for i := range y.n {
		if i == mostItemsShown {
			items.Add("…", strconv.Itoa(y.n-i)+" more")
			break
		}
		k := items.Group(fmt.Sprintf("[%d]", i))
		if err := describeItem(k, y, b, i); err != nil {
			k.Value, k.Bad = err.Error(), true
		}
	}
	return nil
}

const mostItemsShown = 64

func describeItem(k *describe.Node, y listLayout, b []byte, i int) error {
	off, size, err := y.slot(b, i)
	if err != nil {
		return err
	}
	format, code := y.format(b, i), b[y.codes()+i]
	n, err := width(format, code)
	if err != nil {
		return err
	}
	if n > size || off+n > len(b) {
		return fmt.Errorf("%w: %d bytes in a slot of %d", ErrCorrupt, n, size)
	}
	v, err := unpack(format, code, b[off:off+n])
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		k.Value = "None"
	case []byte:
		k.Value = strconv.Quote(string(v))
		k.Set("bytes")
	case string:
		k.Value = strconv.Quote(v)
	default:
		k.Value = v
	}
	return nil
}

func describeTrailer(d *describe.Description, y listLayout, b []byte) error {
	if err := y.checkTrailer(b); err != nil {
		return err
	}
	t := int64(y.trailer())
	d.Table("trailer", t, reflect.TypeFor[[3]uint64](), 1)
	d.Table("lock", t+trailerLock, reflect.TypeFor[semaphore.Mutex](), 1)
	d.Table("pending", t+trailerNote, reflect.TypeFor[[noteWords]uint64](), 1)
	cell, err := d.File.Read(t+trailerLock, int64(sizeOf[semaphore.Mutex]()))
	if err != nil {
		return err
	}
	d.Lockable(d.Root.Group("lock"), "lock", "semaphore.Mutex", cell)
	if note := word(b, int(t)+trailerNote).Load(); note != 0 {
		d.Root.Add("pending", note).Set("number of the item that is being stored, from 1")
	}
	return nil
}
