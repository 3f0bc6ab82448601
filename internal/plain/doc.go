// Package plain decides which Go types may live in memory that several
// processes share, and describes their layout.
//
// A plain type is made of booleans, numbers, and arrays and structs of plain
// types. Anything that holds an address (pointers, strings, slices, maps,
// interfaces, channels, funcs, uintptr) means nothing in another process, and
// would hide objects from the garbage collector of this one. Types of package
// sync have no pointers but put to sleep and wake goroutines of one process
// only; they are refused too. What occupies no bytes is harmless, whatever its
// kind, so that markers such as structs.HostLayout and [0]func() pass.
//
// All functions are pure: they may be called concurrently, keep nothing, and
// neither trust nor touch shared bytes.
//
//	type account struct{ mu semaphore.Mutex; balance int64 }
//	t := reflect.TypeFor[account]()
//	if err := plain.Check(t); err != nil {
//		return err // for a string field: "account.owner: string"
//	}
//	want := plain.Fingerprint(t) // the same in every program that declares the same layout
package plain
