// Package shmfile makes, publishes and opens the files behind shared objects,
// and defines the header that all of them but raw segments begin with.
//
// An anonymous object is a memfd whose size is sealed: nobody can shrink it
// under a mapping, and the kernel frees it with its last user. A named object
// is the file /dev/shm/NAME with mode 0600. It is built without a name
// (O_TMPFILE) and published by linkat(2): nobody ever sees it half made, and a
// creator that dies leaves nothing behind. All memory is allocated before
// Create returns, so a full /dev/shm is an error there and not a SIGBUS later.
//
// Every process that opens a named object through this package holds a read
// lock (F_OFD_SETLK) on a byte beyond its end for as long as the descriptor, one
// inherited from it, or a mapping made through them exists. Create with Replace
// takes the write lock and so finds out whether somebody uses the object.
// Programs that open the file by other means, such as Python, take no lock and
// are noticed by Sweep only.
//
// A name stays until Unlink, unless its object has an [Owner]; that type's comment
// has the protocol. Files are closed with Close, or Abandon if they could not be
// attached to, once their memory is unmapped. List and Stat tell what there is.
//
// All functions may be called concurrently, in any number of processes. When a
// process dies at any point, what it had published stays, what it had not
// published goes, and its locks go. Opening never removes a name, nor does an
// open that fails.
//
// Nothing read from a file is trusted: the header is read once into private
// memory and each field is compared before it is used. Names and directory
// belong to the user; other processes of the same user may truncate, replace
// and remove them at any time.
//
//	head, err := shmfile.NewHeader(spec)
//	f, created, err := shmfile.Create("prices", spec.Size, shmfile.Options{
//		Exist: shmfile.OpenExisting,
//		Fill:  func(f *os.File) error { _, err := f.WriteAt(head, 0); return err },
//	})
//	spec, err = shmfile.Identify(f, spec) // whoever created it
package shmfile
