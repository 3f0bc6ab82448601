package testproc

import (
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"testing"
)

// SmallShm gives a helper a /dev/shm of its own, of so many bytes, that nobody else
// sees. It takes a mount namespace, of root or of a user namespace. Where neither is
// to be had, as in containers without CAP_SYS_ADMIN, the test is skipped, also with
// SHMKIT_REQUIRE=all: nothing else can make a full file system without filling one
// that others use.
func SmallShm(t testing.TB, size int) Option {
	t.Helper()
	ns := namespace()
	if ns == nil {
		skipped.Store(true)
		t.Skip("needs unshare(1) and the right to mount in a namespace of its own (CAP_SYS_ADMIN, or user namespaces)")
	}
	mount := fmt.Sprintf(`mount -t tmpfs -o size=%d shmkit-test /dev/shm && exec "$@"`, size)
	return func(s *start) { s.wrap = append(slices.Clone(ns), "sh", "-c", mount, "sh") }
}

// namespace is a command that runs another one where it may mount; nil if there is
// none.
var namespace = sync.OnceValue(func() []string {
	for _, ns := range [][]string{{"unshare", "-m"}, {"unshare", "-U", "-r", "-m"}} {
		try := append(slices.Clone(ns), "sh", "-c", "mount -t tmpfs shmkit-test /dev/shm")
		if exec.Command(try[0], try[1:]...).Run() == nil {
			return ns
		}
	}
	return nil
})
