// Package robust says who holds a word of shared memory, and learns from the
// kernel when the holder dies.
//
// # Cells and keepers
//
// A Cell is a lock word in glibc's robust mutex layout. While a process holds
// it, the word carries the TID of one of the process's keepers: threads that
// live as long as the process and have a robust list (set_robust_list(2),
// Documentation/locking/robust-futex-ABI.rst). When a keeper dies, which it
// does only with its process, the kernel walks its list, replaces its TID in
// each word by FUTEX_OWNER_DIED, and wakes one sleeper of words that had
// FUTEX_WAITERS.
//
// The list's nodes are shadows: a segment mapped at A in the arena of package
// mem has private memory at A + D, and the node of the cell at A lies there
// (futex_offset = -D). A node is private, so no peer can spoil it; there is
// one a process, so it stays linked between uses, and taking a cell is one
// CAS with no list edit. Memory outside the arena (semaphore.Forget's) gets
// glibc's geometry: the node inside the cell, linked while held, under a lock.
//
// The kernel walks at most 2048 nodes a list and stops at the first word that
// it cannot read. So a keeper takes 2000 cells and then another is started,
// and cells in files that somebody may truncate have keepers of their own.
//
// # What a mark means
//
// FUTEX_OWNER_DIED means that the keeper is gone, not that the process is:
// another thread may still be inside a read(2) into shared memory. Whoever
// takes over what the dead one was writing passes the take-over fence first
// (AwaitGone). The mark may also get lost (a truncated file, a hostile peer),
// so sleepers let the look of package futex ask Cell.CheckOwner, which marks a
// cell whose holder does not exist any more.
//
// # Presence
//
// A Presence is a cell held for as long as a process takes part in something,
// with FUTEX_WAITERS always set, and a record of who it is. Whoever depends on
// the process sleeps on its presence word too.
//
// The protocol of a presence word, with what a death leaves at each step:
//
//	0 → TID|WAITERS         one CAS claims and names the owner; death: the kernel marks
//	record := 0; start; pid  death: the record is 0 or an earlier, already fenced owner's
//	(takes part)             death: WAITERS|OWNER_DIED, record names whom to fence
//	pid := 0, word := 0      leaves; death in between: marked, nothing to fence
//	wake all                 death before: watchers' looks see the changed word
//	DIED → TID|WAITERS       take-over, after AwaitGone(record)
//
// Concurrency: all functions may be called from any goroutine.
//
// Trust: a word or record may hold garbage at any time. The worst that garbage
// does is a wait that lasts until its context ends. Cells identify threads by
// TID, so all processes must live in one pid namespace; headers record it.
//
//	if _, err := cell.Take(0, 0); err == nil {
//		...
//		cell.Release()
//	}
package robust
