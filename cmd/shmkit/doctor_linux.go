package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/futex"
)

// examine looks at all that shmkit needs or can make use of. What it has to try it tries
// with an anonymous page of its own.
func examine() []finding {
	var all []finding
	for _, check := range []func() []finding{
		kernel, processor, futexes, membarrier, memfd, devShm, hugePages, limits, namespaces, cgroup, seccomp, tracing, overcommit, inotify,
	} {
		all = append(all, check()...)
	}
	return all
}

func one(check string, g grade, found, means string) []finding {
	return []finding{{check, g, found, means}}
}

func kernel() []finding {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return one("kernel", missing, err.Error(), "nothing can be said about it")
	}
	release := unix.ByteSliceToString(u.Release[:])
	var major, minor int
	fmt.Sscanf(release, "%d.%d", &major, &minor)
	if major < 5 || major == 5 && minor < 4 {
		return one("kernel", missing, release, "shmkit needs Linux 5.4")
	}
	return one("kernel", good, release, "new enough: 5.4 is needed")
}

func processor() []finding {
	n := runtime.NumCPU()
	found := fmt.Sprintf("%s, %d usable", runtime.GOARCH, n)
	switch {
	case runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64":
		return one("processor", missing, found, "constructors return errors.ErrUnsupported")
	case n == 1:
		return one("processor", note, found, "waiting never spins: each message between processes costs a switch")
	}
	return one("processor", good, found, "who waits can spin while another works")
}

func futexes() []finding {
	var word uint32
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(addressOf(&word)), 1 /* FUTEX_WAKE */, 1, 0, 0, 0)
	basic := finding{"futex", good, "works", "locks and waiting"}
	if errno != 0 {
		basic = finding{"futex", missing, errno.Error(), "nothing can wait; a seccomp filter may forbid it"}
	}
	robust := finding{"robust futexes", good, "work", "deaths are noticed by the kernel"}
	if err := robustList(); err != nil {
		robust = finding{"robust futexes", missing, err.Error(), "locks cannot be held: ErrNoKeeper"}
	}
	const futexWaitv = 449
	_, _, errno = unix.Syscall6(futexWaitv, 0, 0, 0, 0, 0, 0)
	many := finding{"futex_waitv", good, "there", "one thread waits for many words"}
	if errno == unix.ENOSYS || errno == unix.EPERM {
		many = finding{"futex_waitv", note, "not there: " + errno.Error(), "waiting for many things at once takes a thread each, or a look every 50 ms"}
	}
	return []finding{basic, robust, many}
}

func membarrier() []finding {
	if futex.LightFences() {
		return one("membarrier", good, "there", "publishing is a plain store")
	}
	return one("membarrier", note, "refused", "publishing fences; rings with many ends that a process made which has it cannot be opened")
}

func memfd() []finding {
	fd, err := unix.MemfdCreate("shmkit-doctor", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return one("memfd", missing, err.Error(), "no anonymous objects")
	}
	defer unix.Close(fd)
	all := one("memfd", good, "works", "anonymous objects, freed by the kernel")
	_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW)
	all = append(all, tried("seals", err, missing, "nobody can truncate anonymous memory", "anonymous objects cannot be made"))
	_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE)
	all = append(all, tried("future-write seal", err, note, "consumers that cannot write", "segments cannot be sealed against their readers"))
	noexec, err := unix.MemfdCreate("shmkit-doctor", unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if err == nil {
		unix.Close(noexec)
	}
	all = append(all, tried("memfd noexec", err, note, "anonymous memory cannot be executed", "anonymous memory could be executed (Linux before 6.3)"))
	if v, ok := sysctl("vm/memfd_noexec"); ok && v != "0" {
		all = append(all, finding{"vm.memfd_noexec", note, v, "anonymous memory has to be made with MFD_NOEXEC_SEAL, as shmkit does; other programs may fail"})
	}
	return all
}

func tried(check string, err error, otherwise grade, works, fails string) finding {
	if err != nil {
		return finding{check, otherwise, err.Error(), fails}
	}
	return finding{check, good, "works", works}
}

// smallShm is what containers often give.
const smallShm = 64 << 20

func devShm() []finding {
	var st unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &st); err != nil {
		return one("/dev/shm", missing, err.Error(), "no named objects; anonymous ones work")
	}
	const tmpfs = 0x01021994
	size, free := int64(st.Blocks)*int64(st.Bsize), int64(st.Bavail)*int64(st.Bsize)
	kind := finding{"/dev/shm", good, "tmpfs", "named objects are memory"}
	if int64(st.Type) != tmpfs {
		kind = finding{"/dev/shm", note, fmt.Sprintf("no tmpfs: %#x", st.Type), "named objects may be on a disk, and slow"}
	}
	if err := unix.Access("/dev/shm", unix.W_OK); err != nil {
		kind = finding{"/dev/shm", missing, err.Error(), "no named objects can be made; anonymous ones work"}
	}
	room := finding{"/dev/shm size", good, fmt.Sprintf("%s, %s free", describe.Bytes(size), describe.Bytes(free)), "named objects share it"}
	if st.Blocks == 0 {
		room.Found, room.Means = "no limit", "named objects are bounded by the machine's memory only"
	} else if size <= smallShm || free < smallShm/4 {
		room.Grade, room.Means = note, "named objects of more than that fail with ErrNoSpace; in a container: --shm-size"
	}
	options := finding{"/dev/shm mount", note, "not found in /proc/mounts", "nothing is known of its options"}
	if o, ok := mountOptions("/dev/shm"); ok {
		options = finding{"/dev/shm mount", good, o, "as it should be"}
		for _, opt := range strings.Split(o, ",") {
			if opt == "ro" {
				options.Grade, options.Means = missing, "read-only: no named objects can be made"
			}
		}
	}
	inodes := finding{"/dev/shm inodes", good, fmt.Sprintf("%d free", st.Ffree), "each named object takes one"}
	if st.Files != 0 && st.Ffree < 1000 {
		inodes.Grade, inodes.Means = note, "few: each named object takes one, and fails with ErrNoSpace without"
	}
	return []finding{kind, room, options, inodes}
}

func mountOptions(dir string) (options string, ok bool) {
	f, err := os.Open("/proc/mounts")
	if err != nil {
		return "", false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if w := strings.Fields(s.Text()); len(w) > 3 && w[1] == dir {
			options, ok = w[3], true // the last one is on top
		}
	}
	return options, ok
}

func hugePages() []finding {
	free, total, size := meminfo("HugePages_Free"), meminfo("HugePages_Total"), meminfo("Hugepagesize")
	huge := finding{"huge pages", note, "none reserved", "HugeOnly fails; others fall back to small pages"}
	if total > 0 {
		huge = finding{"huge pages", good, fmt.Sprintf("%d of %d free, of %d KiB", free, total, size), "for anonymous segments"}
	}
	b, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
	thp := finding{"huge pages of shmem", note, "not known", "the kernel may have none"}
	if err == nil {
		now := chosen(string(b))
		thp = finding{"huge pages of shmem", good, now, "large segments get them when they ask"}
		if now == "never" || now == "deny" {
			thp.Grade, thp.Means = note, "segments have small pages"
		}
	}
	return []finding{huge, thp}
}

// chosen returns the word in brackets.
func chosen(s string) string {
	_, s, _ = strings.Cut(s, "[")
	s, _, _ = strings.Cut(s, "]")
	return s
}

// meminfo returns a number of /proc/meminfo, 0 if it is not there.
func meminfo(field string) int64 {
	b, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == field+":" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n
		}
	}
	return 0
}

func limits() []finding {
	var all []finding
	for _, l := range []struct {
		name     string
		resource int
		least    uint64
		works    string
		fails    string
	}{
		{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE, 1024, "descriptors: one for each open object", "few descriptors: each open object takes one"},
		{"RLIMIT_AS", unix.RLIMIT_AS, 1 << 40, "address space", "limited address space: a sixteenth of it holds segments; large rings fail, locks are slower without"},
		{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE, 1 << 43, "size of files", "larger objects fail with ErrSize"},
		{"RLIMIT_MEMLOCK", unix.RLIMIT_MEMLOCK, 64 << 20, "memory that Mlock can lock", "Mlock fails beyond that"},
		{"RLIMIT_NPROC", unix.RLIMIT_NPROC, 256, "threads and processes of this user", "few: keepers and workers are threads and processes"},
	} {
		var r unix.Rlimit
		if err := unix.Getrlimit(l.resource, &r); err != nil {
			all = append(all, finding{l.name, note, err.Error(), "not known"})
			continue
		}
		x := finding{l.name, good, strconv.FormatUint(r.Cur, 10), l.works}
		if r.Cur >= 1<<63 {
			x.Found = "unlimited"
		} else if r.Cur < l.least {
			x.Grade, x.Means = note, l.fails
		}
		all = append(all, x)
	}
	return all
}

func namespaces() []finding {
	to, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return one("pid namespace", missing, err.Error(), "no object with a header can be made: /proc is not mounted, or hidden")
	}
	all := one("pid namespace", good, to, "processes share objects within one namespace: containers with their own refuse each other's")
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		all = append(all, finding{"/proc", note, "of another pid namespace", "the take-over from dead processes is slower"})
	} else if o, ok := mountOptions("/proc"); ok && strings.Contains(o, "hidepid=") && !strings.Contains(o, "hidepid=0") && !strings.Contains(o, "hidepid=off") {
		all = append(all, finding{"/proc", note, o, "processes of other users are hidden: their deaths are noticed more slowly"})
	} else {
		all = append(all, finding{"/proc", good, "of this namespace", "who is dead, stopped or alive can be told"})
	}
	return all
}

func cgroup() []finding {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return one("memory limit", note, "not known", err.Error())
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		file := ""
		if f[0] == "0" {
			file = "/sys/fs/cgroup" + f[2] + "/memory.max"
		} else if strings.Contains(f[1], "memory") {
			file = "/sys/fs/cgroup/memory" + f[2] + "/memory.limit_in_bytes"
		}
		limit, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		s := strings.TrimSpace(string(limit))
		if n, err := strconv.ParseInt(s, 10, 64); err == nil && n < 1<<60 {
			return one("memory limit", note, describe.Bytes(n), "of this control group: shared memory counts, and beyond it the kernel kills processes")
		}
		return one("memory limit", good, "none", "of this control group")
	}
	return one("memory limit", good, "none found", "no control group limits the memory, or it cannot be seen from here")
}

func seccomp() []finding {
	switch v := statusField("Seccomp"); v {
	case "0":
		return one("seccomp", good, "off", "no system call is forbidden")
	case "":
		return one("seccomp", good, "not known", "the kernel may have none")
	default:
		return one("seccomp", note, "mode "+v, "a filter may forbid calls: what is refused is listed above")
	}
}

func statusField(field string) string {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func tracing() []finding {
	v, ok := sysctl("kernel/yama/ptrace_scope")
	switch {
	case !ok:
		return one("yama", good, "not there", "processes of one user may look into each other")
	case v == "0" || v == "1":
		return one("yama", good, "ptrace_scope "+v, "anonymous objects of this user's processes can be shown")
	}
	return one("yama", note, "ptrace_scope "+v, "anonymous objects of other processes may be hidden from ls -a")
}

func overcommit() []finding {
	v, _ := sysctl("vm/overcommit_memory")
	if v == "2" {
		return one("vm.overcommit_memory", note, v, "strict: address space that is reserved, as for many-ended rings, may be refused")
	}
	return one("vm.overcommit_memory", good, v, "address space is free")
}

func inotify() []finding {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return one("inotify", note, err.Error(), "who waits for an object to be made looks every 50 ms")
	}
	unix.Close(fd)
	return one("inotify", good, "works", "who waits for an object to be made is told")
}

func sysctl(name string) (string, bool) {
	b, err := os.ReadFile("/proc/sys/" + name)
	return strings.TrimSpace(string(b)), err == nil
}

// robustList asks for this thread's list of robust locks, which changes nothing.
func robustList() error {
	var head, size uintptr
	_, _, errno := unix.Syscall(unix.SYS_GET_ROBUST_LIST, 0, uintptr(addressOf(&head)), uintptr(addressOf(&size)))
	if errno != 0 {
		return errors.New(errno.Error())
	}
	return nil
}
