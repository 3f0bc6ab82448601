// Package crashpoint lets a test kill this process between any two steps of an
// algorithm.
//
// Code marks the places where a death would be interesting:
//
//	q.tail.Store(next)
//	crashpoint.Hit("ringbuf/published")
//	q.wake()
//
// In an ordinary build Hit is an empty function that the compiler removes. In
// a build with the tag crashpoints the environment names the point that fires:
//
//	SHMKIT_CRASHPOINT=ringbuf/published         SIGKILL at the first hit
//	SHMKIT_CRASHPOINT=ringbuf/published:3       SIGKILL at the third hit
//	SHMKIT_CRASHPOINT=ringbuf/published:1:stop  SIGSTOP at the first hit; goes on when continued
//
// and SHMKIT_CRASHLOG names a file to which each point appends its name at its
// first hit, and "NAME fired" just before it fires. testproc.CrashWalk builds
// such programs and walks over all points found in the source, which is why
// the argument of Hit has to be a string literal, used in one place only.
//
// Hit may be called concurrently; hits are counted over the whole process.
// A malformed SHMKIT_CRASHPOINT panics at the first Hit: a misspelled kill
// must not look like a survived one. Firing works on Linux only.
package crashpoint
