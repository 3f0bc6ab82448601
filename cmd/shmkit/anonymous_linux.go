package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// anonymous is a memfd of ours that a running process has open.
type anonymous struct {
	address string // PID:FD, the first that was found
	inode   uint64
	size    int64
	memory  int64 // bytes that are really used
	users   []int // pids, in ascending order
}

// memfds finds the anonymous objects of all processes that this user may look into.
func memfds() []anonymous {
	type place struct{ dev, ino uint64 }
	var all []anonymous
	at := map[place]int{}
	for _, pid := range processes() {
		dir := "/proc/" + strconv.Itoa(pid) + "/fd/"
		fds, err := os.ReadDir(dir)
		if err != nil {
			continue // ended, or another user's
		}
		for _, e := range fds {
			if to, err := os.Readlink(dir + e.Name()); err != nil || !strings.HasPrefix(to, "/memfd:shmkit") {
				continue
			}
			info, err := os.Stat(dir + e.Name())
			if err != nil {
				continue
			}
			st, ok := info.Sys().(*syscall.Stat_t)
			if !ok {
				continue
			}
			key := place{uint64(st.Dev), st.Ino}
			i, known := at[key]
			if !known {
				i = len(all)
				at[key] = i
				all = append(all, anonymous{
					address: strconv.Itoa(pid) + ":" + e.Name(), inode: st.Ino,
					size: st.Size, memory: st.Blocks * 512,
				})
			}
			if !slices.Contains(all[i].users, pid) {
				all[i].users = append(all[i].users, pid)
			}
		}
	}
	return all
}

// processes are the pids of all, in ascending order, without this one.
func processes() (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}
