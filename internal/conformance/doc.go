// Package conformance has tables of what locks and queues have to do, whatever they are
// made of: Python runs its tests of them three times, with processes, threads and
// managers; these run over the locks of package semaphore, the queues of package proc, and
// the proxies of package proc/manager. Each idea has a small interface, which the package
// under test adapts its type to, and a table, whose Run has a subtest for each row of the
// acceptance page, with its ID.
//
//	conformance.Locks{
//		New:     func(t *testing.T) conformance.Lock { return adapter{...} },
//		NotHeld: semaphore.ErrNotHeld, Locked: semaphore.ErrLocked,
//	}.Run(t)
//
// The rows run in one process, in many goroutines; what other processes see, and what
// death does, each package tests by itself. Only tests import this package. New is called
// for each row; what it makes lives until the row's test ends.
package conformance
