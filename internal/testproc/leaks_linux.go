package testproc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// snapshot is what this process holds at one moment.
type snapshot struct {
	files    map[string]string // descriptor to what it is
	mappings map[string]bool   // lines of /proc/self/maps, without addresses
}

func takeSnapshot() snapshot {
	return snapshot{files: openFiles(), mappings: sharedMappings()}
}

// leaks names what is there now and was not when s was taken. What ends by
// itself, such as a goroutine on its way out, is given two seconds for it.
func (s snapshot) leaks() []string {
	deadline := time.Now().Add(2 * time.Second)
	for {
		found := s.diff()
		if len(found) == 0 || time.Now().After(deadline) {
			return found
		}
		time.Sleep(10 * time.Millisecond) // sleep: between two looks at /proc, which cannot be waited for
	}
}

func (s snapshot) diff() []string {
	var found []string
	for fd, what := range openFiles() {
		if s.files[fd] != what {
			found = append(found, fmt.Sprintf("descriptor %s: %s", fd, what))
		}
	}
	for m := range sharedMappings() {
		if !s.mappings[m] {
			found = append(found, "mapping: "+m)
		}
	}
	found = append(found, sleepers()...)
	found = append(found, descendants()...)
	left, _ := filepath.Glob("/dev/shm/*" + runID() + "*")
	for _, name := range left {
		found = append(found, "name: "+name)
	}
	slices.Sort(found)
	return found
}

// openFiles leaves out the runtime's own: its poller.
func openFiles() map[string]string {
	files := make(map[string]string)
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, e := range fds {
		what, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || what == "anon_inode:[eventpoll]" || what == "anon_inode:[eventfd]" ||
			strings.HasPrefix(what, "/proc/") && strings.HasSuffix(what, "/fd") { // of this very ReadDir
			continue
		}
		files[e.Name()] = what
	}
	return files
}

// sharedMappings lists what is mapped shared: memfds, files in /dev/shm and elsewhere.
// Go's fuzzing has a file of its own.
func sharedMappings() map[string]bool {
	mappings := make(map[string]bool)
	maps, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(maps)) {
		// address perms offset dev inode path
		f := strings.Fields(line)
		if len(f) >= 6 && strings.HasSuffix(f[1], "s") && strings.HasPrefix(f[5], "/") && !strings.Contains(f[5], "/fuzz-") {
			mappings[strings.TrimSpace(line)] = true
		}
	}
	return mappings
}

var ownsThread = regexp.MustCompile(`^goroutine \d+[^\[]*\[(syscall|[^\]]*locked to thread)`)

// sleepers finds goroutines that cost a thread: those that sit in a system call, and
// those that are locked to theirs. Functions whose name speaks of a keeper are meant
// to. (The number of threads says nothing: the runtime keeps those that it does not
// need any more.)
func sleepers() []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var found []string
	for g := range bytes.SplitSeq(buf, []byte("\n\n")) {
		if !ownsThread.Match(g) || bytes.Contains(bytes.ToLower(g), []byte("keeper")) ||
			bytes.Contains(g, []byte("os/signal.signal_recv")) {
			continue
		}
		found = append(found, "sleeping thread:\n"+string(g))
	}
	return found
}

// descendants finds living processes that carry this run's mark in their
// environment.
func descendants() []string {
	mark := []byte(envRun + "=" + runID() + "\x00")
	var found []string
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil || !bytes.Contains(env, mark) {
			continue
		}
		cmd, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		found = append(found, fmt.Sprintf("process %d: %s", pid, bytes.ReplaceAll(cmd, []byte{0}, []byte{' '})))
	}
	return found
}
