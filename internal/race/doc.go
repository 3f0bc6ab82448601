// Package race tells the race detector about hand-overs through shared memory.
//
// The detector does not look at mapped memory, neither at the accesses nor at
// the synchronisation. So it would report a race between what one goroutine did
// before it released a shared lock and what the next owner does after it got the
// lock, when both use ordinary Go memory as well. Whoever hands over calls
// ReleaseMerge before the store that publishes, whoever takes over calls Acquire
// after the load that saw it, both with the same Addr, which lives on the Go
// heap and stands for the shared word:
//
//	type Lock struct{ sync race.Addr; word *mem.Uint32 }
//
//	l.sync.ReleaseMerge()
//	l.word.StoreRelease(0)
//
// In a build without -race an Addr is an empty struct and the calls are nothing.
// All of them may be called concurrently. Hand-overs between processes need no
// annotation: the detector sees one process.
package race
