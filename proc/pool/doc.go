// Package pool runs tasks in worker processes, as Python's multiprocessing.Pool and
// ProcessPoolExecutor do: functions that are called here and run there, one at a time in
// each worker.
//
// A worker is this same program, executed again (see package proc), which finds the
// function by its name:
//
//	var square = pool.RegisterTask("square", func(ctx context.Context, x int) (int, error) {
//		return x * x, nil
//	})
//
//	func main() {
//		proc.Main()
//		p, err := pool.New(4, nil)
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer p.Terminate()
//		squares, err := square.MapSlice(ctx, p, numbers, nil)
//
// [Task.Apply] waits for one result, [Task.Go] returns a [Future], [Task.Map] and
// [Task.MapSlice] take many inputs, and [Task.Imap] and [Task.ImapUnordered] give the results as they come, with no
// more inputs under way than needed. Workers are started when they are needed, and stay.
//
// Everything may be called from many goroutines, also of one pool.
//
// # When processes die
//
// Each task that is submitted ends exactly once, with its result or with an error that
// says why there is none. A worker that is killed, panics or exits fails the task that it
// ran, with [ErrWorkerDied], or has it tried again elsewhere ([Limits]); whatever else it
// had been given, in the same message or behind it, is run by others, and what it had
// finished stays finished. A task is never run twice unless it may be retried. The worker
// is replaced when there is work for it. A worker that is stopped is alive: what it has
// begun waits for it, and nothing else does, but for an argument with shared objects that
// was sent to it.
//
// Workers end with the process that made the pool, however that ends. (One that is stopped
// at that moment ends when it goes on, unless [proc.Options].Daemon is set for the workers.)
// They may have children and pools of their own.
//
// # Errors
//
// What a task returns arrives as a [RemoteError]. It is, for errors.Is, what the task's
// error was, if both processes know that: the usual errors of the standard library, and
// those of [proc.RegisterError].
//
// # Cost
//
// A pool takes one goroutine that sleeps in one system call for all workers, and only
// while something is expected from them; and for each worker two rings, a pipe and two
// parked goroutines. Small arguments and results without pointers, strings, and slices of
// what has no pointers are copied into shared memory and out of it, and not encoded. What
// is larger than a quarter of a ring has memory of its own while it is under way; that of
// the last one, up to 32 MiB in each direction of each worker, stays for the next.
//
// # Trust
//
// Pool and workers trust each other: they are the same program. What a worker that is out
// of its mind writes is checked all the same; it is killed for answers that cannot be.
//
// Pools work on Linux. Elsewhere New returns an error that wraps errors.ErrUnsupported.
package pool
