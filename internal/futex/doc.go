// Package futex puts goroutines to sleep on words of shared memory, and wakes
// those of this and of other processes.
//
// A wake is a hint. Its sender may be killed between its store and the wake,
// and whoever was woken may be killed or stopped before it acts. Therefore
// every sleeper reads its own condition again after each wake, and while
// anybody in a process sleeps, the process looks every 50 ms: it reads each
// sleeper's words again and asks whether its counterpart still exists, and
// wakes those for whom something has changed. Nothing is concluded from time;
// facts are read again. A process in which nobody sleeps does not look.
//
// Sleepers of one process on one value of a word share one thread: the first
// sleeps in the kernel, the others in Go's scheduler; whoever leaves the kernel
// sends the next one in. A thousand goroutines that wait for one holder of a
// lock cost one thread.
//
// Concurrency: all functions may be called from any goroutine.
//
// Trust: a word may hold anything at any time. A word whose page is gone gives
// ErrFault.
//
//	for w.Load() == 0 {
//		if err := futex.Sleep(ctx, w, 0, nil); err != nil {
//			return err
//		}
//	}
package futex
