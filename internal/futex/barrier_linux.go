package futex

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Commands of membarrier(2).
const (
	barrierGlobalExpedited         = 1 << 1
	barrierRegisterGlobalExpedited = 1 << 2
)

// LightFences registers this process for the heavy fences of others: from now
// on HeavyFence, called by any process, makes every running thread of this one
// execute a full fence. Where it returns false (kernels before 4.16, seccomp
// profiles), this process must fence by itself.
//
// So the side that publishes often needs no fence between its store and its
// look at a sleeper's flag, and the side that is about to sleep, for which a
// system call is cheap, pays for both (membarrier(2); the pattern is that of
// liburcu and of Dice, Huang and Yang, "Asymmetric Dekker synchronization").
var LightFences = sync.OnceValue(func() bool {
	_, _, e := unix.RawSyscall(unix.SYS_MEMBARRIER, barrierRegisterGlobalExpedited, 0, 0)
	return e == 0
})

// HeavyFence fences this thread and every running thread of every process
// that called LightFences. It returns false where the kernel refuses.
func HeavyFence() bool {
	_, _, e := unix.RawSyscall(unix.SYS_MEMBARRIER, barrierGlobalExpedited, 0, 0)
	return e == 0
}
