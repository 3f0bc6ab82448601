package shmfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// List tells about all regular files in /dev/shm, in the order of their names. It
// opens those that it may read for reading, and takes no locks: it disturbs
// nobody. A file that goes meanwhile may be missing. The error is ErrNoDirectory.
func List() ([]Info, error) {
	entries, err := os.ReadDir(Dir)
	if err != nil && len(entries) == 0 {
		return nil, fmt.Errorf("list: %w: %w", ErrNoDirectory, err)
	}
	infos := make([]Info, 0, len(entries))
	for _, e := range entries {
		if e.Type().IsRegular() { // to open a FIFO would wake its writers
			if i, ok := Stat(e.Name()); ok {
				infos = append(infos, i)
			}
		}
	}
	return infos, nil
}

// Stat is List for one name; not ok if that leads to no regular file.
func Stat(name string) (i Info, ok bool) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Open(path(name), flags|unix.O_NOATIME, 0) // to be read is to leave a trace
	if errors.Is(err, unix.EPERM) {                           // another user's
		fd, err = unix.Open(path(name), flags, 0)
	}
	for n := 1; errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) && n < looks; n++ {
		time.Sleep(pause) // see nobodyElse
		fd, err = unix.Open(path(name), flags, 0)
	}
	if errors.Is(err, unix.ENOENT) {
		return i, false
	}
	if err != nil {
		return closedInfo(name, err)
	}
	defer unix.Close(fd)
	i.Name = name
	// The locks first: who removes the name holds one until it is removed, so what
	// still has its name after it had no locks is an orphan.
	locks, err := locksOf(fd)
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		return i, false
	}
	if !i.fill(&st) || st.Nlink == 0 {
		return i, false
	}
	i.Err = err
	i.judge(locks, marked(uint32(st.Mode)))
	i.readHeader(fd)
	return i, true
}

// closedInfo tells about a file that could not be opened, because of err.
func closedInfo(name string, err error) (i Info, ok bool) {
	i.Name = name
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path(name), unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st) != nil || !i.fill(&st) {
		return i, false
	}
	i.Kind, i.Err = i.plainKind(), fmt.Errorf("open: %w", err)
	if marked(uint32(st.Mode)) {
		i.Ours, i.Owner = true, OwnerUsers
	}
	return i, true
}

func (i *Info) fill(st *unix.Statx_t) (regular bool) {
	i.Size, i.Allocated = int64(st.Size), int64(st.Blocks)*512
	i.Mode = fs.FileMode(st.Mode & 0o777)
	i.UID, i.GID = int(st.Uid), int(st.Gid)
	if st.Mask&unix.STATX_BTIME != 0 {
		i.Created = time.Unix(st.Btime.Sec, int64(st.Btime.Nsec))
	}
	return st.Mode&unix.S_IFMT == unix.S_IFREG
}

// judge says what the locks mean.
func (i *Info) judge(locks locks, marked bool) {
	i.Attached = locks.users
	if len(locks.creators) > 0 {
		i.Creator = locks.creators[0]
	}
	i.Ours = marked || locks.any
	switch {
	case marked && len(locks.creators) > 0:
		i.Owner = OwnerCreator
	case marked:
		i.Owner = OwnerUsers
	}
	i.Orphan = marked && !locks.any
}

// readHeader reads what the object says about itself.
func (i *Info) readHeader(fd int) {
	i.Kind = i.plainKind()
	var b [HeaderSize]byte
	n, err := unix.Pread(fd, b[:], 0)
	if err != nil || !strings.HasPrefix(string(b[:max(n, 0)]), magic) {
		return
	}
	i.Ours = true
	s, err := Read(b[:n], i.Size)
	if err == nil && (s.Kind == 0 || int64(s.Kind) >= int64(len(kindNames))) {
		err = fmt.Errorf("%w: %v", ErrKind, s.Kind)
	}
	if err != nil {
		i.Err = errors.Join(i.Err, err)
		return
	}
	i.Kind = s.Kind.String()
	if ns, err := Namespace(); err == nil && ns == s.Namespace && s.Creator <= maxPID && i.Creator == 0 {
		i.Creator = int(s.Creator)
	}
}

// plainKind is the kind of what has no header.
func (i *Info) plainKind() string {
	switch {
	case strings.HasPrefix(i.Name, "sem.") && i.Size == 32: // glibc's sem_t
		return "semaphore"
	case i.Ours:
		return "segment"
	}
	return "file"
}

// locks are those on the bytes of Owner.
type locks struct {
	users, creators []int
	any             bool
}

// maxLocks is how many locks on one file are looked at: others than this package
// may have taken any number.
const maxLocks = 1 << 12

// locksOf finds all locks. The kernel returns some lock on the range that it is
// asked about: the range is halved around it.
func locksOf(fd int) (l locks, err error) {
	budget := maxLocks
	type span struct{ from, to int64 } // to is beyond the end, 0 if there is none
	for todo := []span{{claimByte, 0}}; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		length := int64(0)
		if s.to != 0 {
			if length = s.to - s.from; length <= 0 {
				continue
			}
		}
		kind, from, n := firstLock(uintptr(fd), s.from, length)
		if kind == unix.F_UNLCK {
			continue
		}
		l.any = true
		if budget--; budget < 0 {
			return l.sorted(), fmt.Errorf("%w: more than %d locks", ErrCorrupt, maxLocks)
		}
		if kind == unix.F_WRLCK {
			err = fmt.Errorf("%w: it is being replaced or removed", ErrBusy)
		}
		if kind == unix.F_RDLCK && n == 1 {
			l.add(from)
		}
		if from > s.from {
			todo = append(todo, span{s.from, from})
		}
		if end := from + n; n != 0 && (s.to == 0 || end < s.to) { // 0: to the very end
			todo = append(todo, span{end, s.to})
		}
	}
	return l.sorted(), err
}

// add notes the lock of one byte.
func (l *locks) add(at int64) {
	switch {
	case at > usersBase && at <= usersBase+maxPID:
		l.users = append(l.users, int(at-usersBase))
	case at > creatorsBase && at <= creatorsBase+maxPID:
		l.creators = append(l.creators, int(at-creatorsBase))
	}
}

func (l locks) sorted() locks {
	slices.Sort(l.users)
	slices.Sort(l.creators)
	l.users, l.creators = slices.Compact(l.users), slices.Compact(l.creators)
	return l
}
