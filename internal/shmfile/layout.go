package shmfile

import "structs"

// The header is the first 128 bytes of every object but raw segments. All
// fields are little-endian, written once by the creator before the object has
// a name, and never changed.
//
//	offset  size  field
//	     0     8  magic        "shmkit\r\n", which a text conversion destroys
//	     8     4  version      of the format: Version
//	    12     4  kind         what the object is: Kind
//	    16     8  fingerprint  of the layout of what it holds: plain.Fingerprint
//	    24     8  size         of the whole file, bytes
//	    32    16  sizes        two numbers whose meaning depends on the kind
//	    48     8  namespace    inode number of the creator's pid namespace
//	    56    16  id           random; tells two objects of one name apart
//	    72     8  creator      its pid, in that namespace; for people only
//	    80     8  started      when the creator had started: robust.Process.Start
//	    88     8  reserved     zero
//	    96     8  about        where in the file the description of its type is (plain.Text),
//	                           behind everything else; for show, nothing relies on it
//	   104     8  aboutSize    how many bytes it has, 0 if there is none
//	   112    16  reserved     zero
//	   128
const (
	magicOffset       = 0
	versionOffset     = magicOffset + 8
	kindOffset        = versionOffset + 4
	fingerprintOffset = kindOffset + 4
	sizeOffset        = fingerprintOffset + 8
	sizesOffset       = sizeOffset + 8
	namespaceOffset   = sizesOffset + 16
	idOffset          = namespaceOffset + 8
	creatorOffset     = idOffset + 16
	startedOffset     = creatorOffset + 8
	aboutOffset       = startedOffset + 8 + 8
	aboutSizeOffset   = aboutOffset + 8
	reservedOffset    = aboutSizeOffset + 8

	// HeaderSize is the number of bytes before the object itself. It is a
	// multiple of the distance that keeps two writers off each other's cache
	// lines.
	HeaderSize = reservedOffset + 16
)

const magic = "shmkit\r\n"

// Version is the version of the format. It grows when an older program would
// misread a newer object, or the reverse.
const Version = 1

// header is the same as a struct. Its fields are exported for encoding/binary.
type header struct {
	_           structs.HostLayout
	Magic       [8]byte
	Version     uint32
	Kind        uint32
	Fingerprint uint64
	Size        uint64
	Sizes       [2]uint64
	Namespace   uint64
	ID          [16]byte
	Creator     uint64
	Started     uint64
	_           [8]byte
	About       uint64
	AboutSize   uint64
	Reserved    [16]byte
}
