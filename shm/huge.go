package shm

// Huge says whether memory is made of huge pages. What came of it is told by
// HugeBytes.
type Huge int

const (
	// HugeNone asks for none. It is the default.
	HugeNone Huge = iota
	// HugeTry takes what there is: for anonymous memory pages that the machine's
	// owner has reserved (/proc/sys/vm/nr_hugepages), which are never swapped; else
	// those that the kernel makes of ordinary ones where it is set up to
	// (/sys/kernel/mm/transparent_hugepage/shmem_enabled, or the mount option huge
	// for names), which costs touching all of it now; else ordinary ones.
	HugeTry
	// HugeOnly is for anonymous memory and takes reserved pages, or returns
	// ErrNoSpace.
	HugeOnly
)
