// Package semaphore has the locks that processes share: plain structs without
// pointers, used wherever they are embedded in a struct that lives in shared
// memory, or alone. Package shm places them.
//
//	Mutex, RecursiveMutex   one at a time; say that their owner died (glibc's robust mutexes)
//	RWMutex                 readers together or one writer; phase-fair
//	Semaphore, Named        a count that anybody may raise (glibc's sem_t, by name too)
//	Permits                 a count of which a dead process's part comes back
//	Cond                    waiting for what a Mutex or RecursiveMutex protects
//	Event                   a flag to wait for
//	Barrier                 parties that wait for one another
//	Once                    something that one of them does
//
// Promise: any process may be killed at any instruction; nobody else hangs.
// A lock whose holder died says so (ErrOwnerDied) until somebody repairs what
// the lock protects; a barrier breaks; permits come back; a wake that was meant
// for a dead process reaches another. A stopped process is not dead: it keeps
// what it holds, and blocks only those who need just that.
//
// Concurrency: all methods may be called from any goroutine of any process
// that maps the memory, in one pid namespace.
//
// Cost: an uncontended operation makes no system call and allocates nothing. A
// process keeps a few keeper threads, by which the kernel notices its death;
// the first use of a lock starts them.
//
// Trust: processes that map the memory writable can hold a lock for ever or
// break mutual exclusion; garbage makes calls return an error or wait until
// their context ends.
//
//	type Account struct {
//		mu      semaphore.Mutex
//		balance int64
//	}
//	acct, err := shm.NewObject[Account]("account", nil)
//	...
//	if err := acct.Ptr().mu.Lock(); err != nil {
//		return err // NOT held
//	}
//	acct.Ptr().balance++
//	acct.Ptr().mu.Unlock()
package semaphore
