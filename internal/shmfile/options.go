package shmfile

import "os"

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
	// Allocate is how many bytes of the file are allocated at once, 0 for all. The
	// rest is a hole, for Allocate to fill before it is used.
	Allocate int64
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

func path(name string) string { return Dir + "/" + name }
