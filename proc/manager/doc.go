// Package manager has objects that a server process owns and that any number of processes
// use through proxies: Python's multiprocessing managers. Dictionaries, lists, sets,
// namespaces, values, arrays, queues, locks of all kinds, and values of types that the
// program registers, whose methods run in the server.
//
//	m, err := manager.Start(ctx, nil)
//	defer m.Close()
//	d, err := manager.NewDict[string, int](ctx, m)
//	p, err := count.Start(ctx, d, nil) // the child has a proxy of the same dictionary
//	err = p.Wait(ctx)
//	n, err := d.Get(ctx, "lines")
//
// What is in shared memory (packages shm, semaphore, ringbuf) is a hundred times faster. A
// manager is for what has no fixed size, or changes its shape: what one would keep in a
// map if there were one process.
//
// # Proxies
//
// A proxy travels in arguments and messages of package proc, and in values that are put into
// the manager's own objects, at any depth. All that lead to one object are equal. An object
// lives as long as any process has a proxy of it, or an object that lives has it; objects
// that only have each other do not. Close gives a proxy up; so does the garbage collector,
// in its own time.
//
// All methods may be called from any goroutine of any process. Each has a context, which
// bounds the call, unless its comment says otherwise (a lock is released also when the context
// has ended). Calls that wait in the manager cost it neither a thread nor a goroutine.
//
// # When processes die
//
// When a client is killed, everything that it had is given back as soon as the kernel has
// ended it: its proxies, locks that it held, permits, places at barriers, items that it was
// about to get. A client that is stopped keeps what it has, and holds up nobody who does not
// need that. When the manager is killed or ends, every call to it, also those that wait,
// returns ErrManagerGone.
//
// # Trust
//
// Clients and the manager are processes of one program. Whoever has the descriptor of a
// manager's exchange, or its key, may do everything; garbage from a client is an error of
// that client's call.
package manager
