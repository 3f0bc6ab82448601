// Package mem is the ground under every shared structure: words with the
// orderings that the protocols need, and the arena in which files are mapped.
//
// Words. Uint32 and Uint64 are the typed atomics of sync/atomic plus
// StoreRelease, which Go lacks: an ordinary store on amd64, STLR on arm64. A
// sequentially consistent store is an XCHG on amd64, which waits for the cache
// line; a ring that publishes with it moves a third of the messages.
//
// The arena. All segments are mapped inside one reserved address range. At a
// constant distance behind each address A of the range lies private memory,
// the shadow of A. Package robust keeps there the robust-list node of the lock
// word at A, so that the node is private (no peer can spoil it), needs no
// list edit between uses and exists once a process. See internal/robust.
//
// Concurrency: everything may be called from any goroutine. Mapping.Close must
// not run at the same time as another method of the same Mapping.
//
// Death: nothing here outlives the process but the files.
//
// Trust: lengths and offsets come from the caller, who has checked them; this
// package never reads a mapped byte.
//
//	m, err := mem.Map(file, size, mem.Options{})
//	if err != nil {
//		return err
//	}
//	b := m.Bytes()
//	...
//	robust.Forget(b)
//	m.Close() // late accesses through b now meet zeros
package mem
