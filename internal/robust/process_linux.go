//go:build !explore

package robust

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// pfExiting is PF_EXITING of the kernel's task flags: the thread runs no user
// code and no system call any more.
const pfExiting = 0x4

// taskStat is what /proc/PID/stat and /proc/PID/task/TID/stat tell.
type taskStat struct {
	pid     int
	state   byte
	flags   uint64
	threads int
	start   uint64 // clock ticks after boot, as the initial time namespace counts
}

// readStat reads a stat file of /proc. The second field, the command, may
// contain anything, so fields are counted from its last parenthesis.
func readStat(path string) (taskStat, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return taskStat{}, err
	}
	first, _, _ := bytes.Cut(b, []byte(" "))
	i := bytes.LastIndexByte(b, ')')
	f := bytes.Fields(b[i+1:])
	if i < 0 || len(f) < 20 {
		return taskStat{}, errors.New("read " + path + ": unexpected form")
	}
	pid, err0 := strconv.Atoi(string(first))
	flags, err1 := strconv.ParseUint(string(f[6]), 10, 64)
	threads, err2 := strconv.Atoi(string(f[17]))
	start, err3 := strconv.ParseInt(string(f[19]), 10, 64)
	return taskStat{pid, f[0][0], flags, threads, uint64(start - bootOffset())}, errors.Join(err0, err1, err2, err3)
}

func (s taskStat) ended() bool { return s.state == 'Z' || s.state == 'X' || s.flags&pfExiting != 0 }

// bootOffset is what this process's time namespace adds to start times, in
// clock ticks (time_namespaces(7)); there are 100 a second in user space.
var bootOffset = sync.OnceValue(func() int64 {
	b, err := os.ReadFile("/proc/self/timens_offsets")
	if err != nil {
		return 0 // no such namespaces
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "boottime" {
			sec, _ := strconv.ParseInt(f[1], 10, 64)
			nsec, _ := strconv.ParseInt(f[2], 10, 64)
			return sec*100 + nsec/1e7
		}
	}
	return 0
})

// myself is this process, and whether /proc is of its pid namespace.
var myself = sync.OnceValue(func() (me struct {
	Process
	proc bool
	err  error
}) {
	s, err := readStat("/proc/self/stat")
	me.PID, me.Start, me.err = uint32(os.Getpid()), s.start, err
	me.proc = s.pid == os.Getpid()
	return me
})

// Self returns this process's identity.
func Self() (Process, error) { return myself().Process, myself().err }

// gone says whether the process that i names, and whose keeper the kernel has
// reported dead, cannot store to shared memory any more: no thread of it is
// left but those that are exiting.
func (i ident) gone() bool {
	me := myself()
	switch {
	case i.pid() == 0: // a C program, whose threads cannot be found
		return true
	case i.pid() == me.PID && sameStart(i.start(), me.Start): // or what it was before execve
		return true
	case !me.proc:
		return !threadGone(i.tid()) || pidfdGone(i.pid())
	}
	dir := "/proc/" + strconv.Itoa(int(i.pid()))
	s, err := readStat(dir + "/stat")
	if err != nil { // ended, or hidden (hidepid)
		return !threadGone(i.tid()) || pidfdGone(i.pid())
	}
	if !sameStart(s.start, i.start()) {
		return true
	}
	keeper, err := readStat(dir + "/task/" + strconv.Itoa(int(i.tid())) + "/stat")
	if err == nil && !keeper.ended() {
		return true // it lives: somebody else was reported dead
	}
	return threadsGone(dir)
}

// threadsGone says whether no thread of the process can return from a system
// call or run user code of the program that its keeper belonged to. When the
// keeper is gone, each other thread of that program has SIGKILL pending until
// it exits: group exit and execve give it to all but their caller, who is in
// the kernel. A thread without it, and not exiting, belongs to the program that
// execve put in the old one's place.
//
// A listing of /proc/PID/task may miss threads when others end meanwhile, so
// those listed are held against the number that the kernel counts afterwards.
func threadsGone(dir string) bool {
	tasks, err := os.ReadDir(dir + "/task")
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	for _, t := range tasks {
		s, err := readStat(dir + "/task/" + t.Name() + "/stat")
		if ended(err) || err == nil && s.ended() {
			continue
		}
		if killed, err := killPending(dir + "/task/" + t.Name() + "/status"); !ended(err) && (err != nil || killed) {
			return false
		}
	}
	// Threads that end between the two countings are counted again, or who has once
	// been gone would not be gone a moment later.
	for before := -1; ; {
		s, err := readStat(dir + "/stat")
		if err != nil {
			return ended(err)
		}
		left := 0
		for _, t := range tasks {
			if _, err := readStat(dir + "/task/" + t.Name() + "/stat"); err == nil {
				left++
			}
		}
		if left == s.threads || s.threads == before {
			return left == s.threads
		}
		before = s.threads
	}
}

// ended says whether reading a file of /proc failed because its task is gone.
func ended(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

// killPending says whether SIGKILL waits for the thread whose status this is.
func killPending(path string) (bool, error) {
	v, err := statusField(path, "SigPnd")
	if err != nil {
		return false, err
	}
	set, err := strconv.ParseUint(v, 16, 64)
	return set&(1<<(unix.SIGKILL-1)) != 0, err
}

func statusField(path, name string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(string(b), "\n"+name+":")
	line, _, ok2 := strings.Cut(rest, "\n")
	if !ok || !ok2 {
		return "", errors.New("read " + path + ": no " + name)
	}
	return strings.TrimSpace(line), nil
}

// pidfdGone is the fence without /proc: a pidfd becomes readable after the last
// store, though late.
func pidfdGone(pid uint32) bool {
	fd, err := unix.PidfdOpen(int(pid), 0)
	if err != nil {
		return err == unix.ESRCH || err == unix.EINVAL
	}
	defer unix.Close(fd)
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err == nil && n == 1
}

// replaced says whether the process that i names has ended: its pid is free or
// another process's.
func (i ident) replaced() bool {
	if !myself().proc {
		return false
	}
	s, err := readStat("/proc/" + strconv.Itoa(int(i.pid())) + "/stat")
	if err != nil {
		return unix.Kill(int(i.pid()), 0) == unix.ESRCH
	}
	return !sameStart(s.start, i.start())
}

// threadGone says whether no thread has this TID. A keeper is never its
// process's first thread, so the kernel frees its TID when it ends, zombie or not.
func threadGone(tid uint32) bool { return unix.Kill(int(tid), 0) == unix.ESRCH }

// processOf returns the pid of the process that a thread belongs to.
func processOf(tid uint32) (int, bool) {
	v, err := statusField("/proc/"+strconv.Itoa(int(tid))+"/status", "Tgid")
	if err != nil {
		return 0, false
	}
	pid, err := strconv.Atoi(v)
	return pid, err == nil
}
