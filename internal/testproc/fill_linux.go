package testproc

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// FillShm fills /dev/shm, in a helper that has one of its own (SmallShm), but for so
// many bytes, and returns what makes room again.
func (c *Child) FillShm(left int64) (empty func()) {
	const filler = "/dev/shm/filler"
	f, err := os.Create(filler)
	c.must(err)
	var fs syscall.Statfs_t
	c.must(syscall.Fstatfs(int(f.Fd()), &fs))
	if n := int64(fs.Bavail)*int64(fs.Bsize) - left; n > 0 {
		c.must(syscall.Fallocate(int(f.Fd()), 0, 0, n))
	}
	c.must(f.Close())
	return func() { c.must(os.Remove(filler)) }
}

// RequireNoSpace calls create, with a /dev/shm that is full, and with room for some
// pages, for one more at each call, until it succeeds. Before that its error has to be
// want, and nothing may be left. use has to do without a fault what needs no more
// memory. It returns how many pages it took.
func (c *Child) RequireNoSpace(want error, create func() (use func(), err error)) int64 {
	page := int64(os.Getpagesize())
	for pages := int64(0); ; pages++ {
		empty := c.FillShm(pages * page)
		use, err := create()
		if err == nil {
			use()
			empty()
			c.requireEmpty()
			return pages
		}
		if !errors.Is(err, want) || !errors.Is(err, syscall.ENOSPC) {
			c.must(fmt.Errorf("with room for %d pages: %w", pages, err))
		}
		empty()
		c.requireEmpty()
	}
}

// requireEmpty checks that /dev/shm has no name and no memory in use.
func (c *Child) requireEmpty() {
	left, err := os.ReadDir("/dev/shm")
	c.must(err)
	if len(left) > 0 {
		c.must(fmt.Errorf("left in /dev/shm: %v", left))
	}
	var fs syscall.Statfs_t
	c.must(syscall.Statfs("/dev/shm", &fs))
	if fs.Blocks != fs.Bfree {
		c.must(fmt.Errorf("%d blocks of /dev/shm are in use, and no name", fs.Blocks-fs.Bfree))
	}
}

func (c *Child) must(err error) {
	if err != nil {
		c.Errorf("testproc: %v", err)
		c.FailNow()
	}
}
