package shmfile

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// held are the open files of this process whose names have an owner rule, or were
// made by it.
var held struct {
	sync.Mutex
	files map[*os.File]holding
}

type holding struct {
	name    string
	owner   Owner // what is to be done when it is closed
	created bool
}

// users is the rule for who did not make the object.
func users(mode uint32) Owner {
	if marked(mode) {
		return OwnerUsers
	}
	return OwnerNone
}

// hold remembers an open file until Close or Abandon.
func hold(f *os.File, h holding) {
	if h.owner == OwnerNone && !h.created {
		return
	}
	held.Lock()
	defer held.Unlock()
	if held.files == nil {
		held.files = make(map[*os.File]holding)
	}
	held.files[f] = h
}

// forget returns what was remembered.
func forget(f *os.File) holding {
	held.Lock()
	defer held.Unlock()
	h := held.files[f]
	delete(held.files, f)
	return h
}

// holds says whether another open file of this process is of that name.
func holds(name string) bool {
	held.Lock()
	defer held.Unlock()
	for _, h := range held.files {
		if h.name == name {
			return true
		}
	}
	return false
}

// Ruled says whether the name of a file that was opened here has an owner rule.
// Such a file has to stay open as long as its object is used.
func Ruled(f *os.File) bool {
	held.Lock()
	defer held.Unlock()
	return held.files[f].owner != OwnerNone
}

// Close closes a file that Create, Open or Adopt returned, whose memory this
// process has unmapped, and does what the object's Owner says. An error says that
// the name may have stayed; the file is closed all the same.
func Close(f *os.File) error {
	h := forget(f)
	if h.owner == OwnerNone {
		return f.Close()
	}
	var err error
	if h.owner == OwnerCreator {
		err = removeOwn(f, h.name)
	}
	crashpoint.Hit("shmfile/close-closing")
	err = errors.Join(err, f.Close())
	crashpoint.Hit("shmfile/close-closed")
	if e := leave(h.name); e != nil {
		err = errors.Join(err, fmt.Errorf("close %q: %w", h.name, e))
	}
	return err
}

// Abandon closes a file, as above, that could not be attached to. The name of what was
// found stays, that of what was created goes, under OwnerUsers unless somebody uses it
// by now. The error that counts is the caller's.
func Abandon(f *os.File) {
	h := forget(f)
	if h.created && h.owner != OwnerUsers {
		_ = removeOwn(f, h.name)
	}
	f.Close()
	if h.created && h.owner == OwnerUsers {
		_ = leave(h.name)
	}
}

// Withdraw removes the name of a file that was created under OwnerCreator now, and
// not when it is closed. For other files it does nothing.
func Withdraw(f *os.File) error {
	held.Lock()
	h := held.files[f]
	held.Unlock()
	if h.owner != OwnerCreator {
		return nil
	}
	return removeOwn(f, h.name)
}

// leave removes the name of what this process has closed, if nobody uses it.
//
// A description lives a moment longer if the process has just started another one:
// that has all descriptors until exec(2) is through. So if this process seems to
// be the user, and is not, it looks again a few times.
func leave(name string) error {
	for wait := pause; ; wait *= 2 {
		_, err := removeOrphan(name)
		var used *usedError
		if !errors.As(err, &used) || used.pid != os.Getpid() || wait > patience/4 || holds(name) {
			if errors.Is(err, ErrBusy) {
				return nil
			}
			return err
		}
		time.Sleep(wait)
	}
}

// Release does for all files of this process what Close would do with their
// names, and forgets them. It is called once, when the process ends: what is
// mapped may be in use until it has ended.
func Release() {
	held.Lock()
	files := held.files
	held.files = nil
	held.Unlock()
	for f, h := range files {
		switch h.owner {
		case OwnerNone:
			continue
		case OwnerCreator:
			_ = removeOwn(f, h.name) // nobody is left to be told
		}
		crashpoint.Hit("shmfile/release-unlocking")
		unlock(f)
	}
	for _, h := range files {
		if h.owner != OwnerNone {
			_, _ = removeOrphan(h.name) // what is busy has a user, who removes it
		}
	}
}

// unlock gives up the locks of f's description.
func unlock(f *os.File) {
	c, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = c.Control(func(fd uintptr) { _ = lock(fd, unix.F_UNLCK, claimByte, 0) }) // closed: it has none
}

// Adopt takes over a file that arrived from another process and was opened as the
// object of that name there, "" if it has none: it returns a description of this
// process's own, and closes f. Where the system refuses that, it returns f, whose
// lock is that of its sender.
func Adopt(f *os.File, name string) *os.File {
	if name == "" {
		return f
	}
	flags := unix.O_RDWR
	if ReadOnly(f) {
		flags = unix.O_RDONLY
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return f
	}
	own := os.NewFile(uintptr(fd), path(name))
	var st unix.Stat_t
	if use(own) != nil || unix.Fstat(fd, &st) != nil {
		own.Close()
		return f
	}
	hold(own, holding{name: name, owner: users(st.Mode)})
	f.Close()
	return own
}
