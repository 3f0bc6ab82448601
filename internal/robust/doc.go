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
// A Presence is a cell held for as long as a process takes part in something.
// Whoever depends on the process sets FUTEX_WAITERS in its word and sleeps on
// it, so that its death wakes them; what else they wait for may wake them there
// too (Rouse).
//
// The protocol of a presence word, with what a death leaves at each step:
//
//	0 → TID            one CAS claims and names the owner; death: the kernel marks
//	ident := mine      death before: the ident is an earlier holder's, who lives or
//	                   was fenced: nothing to fence, since the dead one had not begun
//	arrivals += 1, wake all
//	(takes part)       death: OWNER_DIED, and the ident says whom to fence
//	word := 0, wake all   leaves; death in between: watchers' looks see the changed word
//	DIED → TID         take-over (TakeOver): fence; CAS; and, while holding it, fence
//	                   again whoever has taken over and died between the two
//
// A process that gives its part to a child holds it in trust until the child
// adopts it: arrivals then names the trust, so that no late hand can use it.
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
