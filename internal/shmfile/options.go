package shmfile

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Exist says what Create does when the name is taken.
type Exist int

const (
	// Fail returns ErrExist. It is the default.
	Fail Exist = iota
	// OpenExisting opens what is there, and leaves it as it is.
	OpenExisting
	// Replace puts the new object in the place of the old one, unless somebody
	// uses that: then it returns ErrBusy.
	Replace
)

// Options of Create.
type Options struct {
	Exist Exist
	// Owner says when the name goes. An object that was there keeps its own rule, an
	// anonymous one needs none.
	Owner Owner
	// Allocate is how many bytes of the file are allocated at once, 0 for all, None
	// for none. The rest is a hole, for Allocate to fill before it is used.
	Allocate int64
	// Mode is the permission bits of the file, exactly, whatever the umask is; 0 is
	// 0600. Group, if it is not 0, is the group that the file is given to. A memfd
	// has them too: they decide who may open it again through /proc.
	Mode  fs.FileMode
	Group int
	// Seal, of a memfd, lets nobody write but through what Fill has mapped.
	Seal bool
	// Growable leaves out the seal that keeps a memfd from growing.
	Growable bool
	// Huge makes the memfd of huge pages, which must have been reserved.
	Huge bool
	// Prepare is called before memory is allocated, with a file of the right size
	// that consists of holes, and may fill some in its own way.
	Prepare func(*os.File)
	// Fill writes what the object holds from the start, before anybody can see
	// it. It is called at most once, with a file of the right size full of zeros.
	Fill func(*os.File) error
}

// OpenOptions of Open.
type OpenOptions struct {
	ReadOnly bool // without the right to write
	Wait     bool // until the object exists
}

// Dir is where named objects live. It is a variable for tests only.
var Dir = "/dev/shm"

// None is an Options.Allocate.
const None = -1

// path returns the file of that name. What is named by its path is that file.
func path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return Dir + "/" + name
}
