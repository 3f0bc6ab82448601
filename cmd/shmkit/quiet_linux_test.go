package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// disturbing are system calls by which a process could change what it looks at, or keep
// others from it.
var disturbing = []*regexp.Regexp{
	regexp.MustCompile(`^open(at)?\(.*O_(WRONLY|RDWR|CREAT|TRUNC)`),
	regexp.MustCompile(`^fcntl\(.*F_(OFD_)?SETLKW?\b`),
	regexp.MustCompile(`^fcntl\(.*F_(SETLEASE|ADD_SEALS|NOTIFY)\b`),
	regexp.MustCompile(`^mmap\(.*MAP_SHARED`),
	regexp.MustCompile(`^(unlink|unlinkat|rename|renameat|renameat2|link|linkat|mkdir|mkdirat|mknod|symlink)\(`),
	regexp.MustCompile(`^(truncate|ftruncate|fallocate|pwrite64|pwritev|pwritev2|sendfile|copy_file_range|fsync|msync|utimensat)\(`),
	regexp.MustCompile(`^(f?chmod|fchmodat|f?chown|fchownat|f?setxattr|flock)\(`),
	regexp.MustCompile(`^(ptrace|process_vm_writev|pidfd_getfd|mlock|mlock2|mlockall)\(`),
	regexp.MustCompile(`^memfd_create\(`),
	regexp.MustCompile(`^kill\(\d+, SIG`),
}

// own are calls of Go's runtime and of the test's coverage of itself.
func own(command, call string) bool {
	switch {
	case strings.HasPrefix(call, `openat(AT_FDCWD, "/dev/null", O_RDWR`): // descriptors 0 to 2
		return true
	case command == "doctor": // it tries a memfd of its own
		return strings.HasPrefix(call, "memfd_create(") || strings.Contains(call, "F_ADD_SEALS")
	}
	return false
}

// The tool only reads: each of its commands is watched by strace.
func TestReadsOnly(t *testing.T) {
	strace := testproc.NeedTool(t, "strace")
	p, name := start(t, "holder", "held")
	_, many := start(t, "rings", "filled")
	_ = p
	for _, args := range [][]string{
		{"ls", "-a"}, {"ls", "-json"}, {"stat", name}, {"stat", many + "-many"}, {"stat", many + "-chan"},
		{"dump", name}, {"dump", "-n", "20000", many + "-many"}, {"top", "-once", "-d", "0.1", many + "-ring", many + "-many"},
		{"sweep", "-n", "no-such-object"}, {"doctor"},
	} {
		require.Empty(t, disturbances(t, strace, args...), "%v", args)
	}

	// What does disturb is seen.
	dead, orphan := start(t, "owner", "made")
	dead.Kill()
	dead.Wait()
	seen := strings.Join(disturbances(t, strace, "sweep", orphan), "\n")
	require.Contains(t, seen, "unlink")
	require.Contains(t, seen, "F_OFD_SETLK")
	require.Contains(t, seen, "O_RDWR")
}

// disturbances runs the tool under strace and returns the calls that only it must answer for.
func disturbances(t *testing.T, strace string, args ...string) (bad []string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "strace")
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(strace, append([]string{"-f", "-qq", "-s", "200", "-o", log, self}, args...)...)
	cmd.Env = toolCommand().Env
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%v: %s", args, out)
	b, err := os.ReadFile(log)
	require.NoError(t, err)
	calls := 0
	for line := range strings.Lines(string(b)) {
		_, call, _ := strings.Cut(line, " ")
		call = strings.TrimSpace(call)
		calls++
		for _, d := range disturbing {
			if d.MatchString(call) && !own(args[0], call) {
				bad = append(bad, call)
			}
		}
	}
	require.Greater(t, calls, 50, "%v: strace saw nothing", args)
	return bad
}

// Looking at what has holes gives it no memory, and leaves no trace in the file.
func TestLeavesNoTrace(t *testing.T) {
	p, name := start(t, "rings", "filled")
	require.True(t, p.Stop())
	path := "/dev/shm/" + name + "-many"
	before, err := os.Stat(path)
	require.NoError(t, err)
	shmkit(t, 0, "stat", name+"-many")
	shmkit(t, 0, "dump", "-n", "0", name+"-many") // 128 GiB, all holes
	after, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, before.Sys(), after.Sys(), "size, blocks, times")
	p.Cont()
}
