//go:build !explore

package robust

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// pfExiting is PF_EXITING of the kernel's task flags: the thread runs no user
// code and no system call any more.
const pfExiting = 0x4

// maxPID is the kernel's PID_MAX_LIMIT.
const maxPID = 1 << 22

// taskStat is what /proc/PID/stat and /proc/PID/task/TID/stat tell.
type taskStat struct {
	state byte
	flags uint64
	start uint64 // clock ticks after boot
}

// readStat reads a stat file of /proc. The second field, the command, may
// contain anything, so fields are counted from its last parenthesis.
func readStat(path string) (taskStat, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return taskStat{}, err
	}
	i := bytes.LastIndexByte(b, ')')
	f := bytes.Fields(b[i+1:])
	if i < 0 || len(f) < 20 {
		return taskStat{}, errors.New("read " + path + ": unexpected form")
	}
	flags, err1 := strconv.ParseUint(string(f[6]), 10, 64)
	start, err2 := strconv.ParseUint(string(f[19]), 10, 64)
	return taskStat{state: f[0][0], flags: flags, start: start}, errors.Join(err1, err2)
}

func (s taskStat) ended() bool { return s.state == 'Z' || s.state == 'X' || s.flags&pfExiting != 0 }

// self is this process.
var self = sync.OnceValues(func() (Process, error) {
	s, err := readStat("/proc/self/stat")
	return Process{PID: uint32(os.Getpid()), Start: s.start}, err
})

// Self returns this process's identity.
func Self() (Process, error) { return self() }

// processGone says whether no thread of process pid, started at start, can
// store anything any more: the pid is free or somebody else's, or all its
// threads are exiting. Where /proc does not show the process (hidepid), a
// process that still takes signals counts as living.
func processGone(pid uint32, start uint64) bool {
	if pid == 0 || pid > maxPID { // to kill(2), large ones are process groups
		return true
	}
	dir := "/proc/" + strconv.FormatUint(uint64(pid), 10)
	s, err := readStat(dir + "/stat")
	if err != nil {
		return unix.Kill(int(pid), 0) == unix.ESRCH
	}
	if !sameStart(s.start, start) {
		return true
	}
	// A process that was killed makes no new threads, so one pass over the
	// directory sees them all; one that was not has a thread that is not exiting.
	tasks, err := os.ReadDir(dir + "/task")
	if err != nil {
		return unix.Kill(int(pid), 0) == unix.ESRCH
	}
	for _, t := range tasks {
		s, err := readStat(dir + "/task/" + t.Name() + "/stat")
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // ended meanwhile
		}
		if err != nil || !s.ended() {
			return false
		}
	}
	return true
}

// threadGone says whether no thread has this TID. A keeper is never its
// process's first thread, so the kernel frees its TID when it ends, zombie or not.
func threadGone(tid uint32) bool { return unix.Kill(int(tid), 0) == unix.ESRCH }

// processOf returns the pid of the process that a thread belongs to.
func processOf(tid uint32) (int, bool) {
	b, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(tid), 10) + "/status")
	if err != nil {
		return 0, false
	}
	_, rest, ok := bytes.Cut(b, []byte("\nTgid:"))
	line, _, ok2 := bytes.Cut(rest, []byte("\n"))
	if !ok || !ok2 {
		return 0, false
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	return pid, err == nil
}
