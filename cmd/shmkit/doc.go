// Command shmkit shows what is in shared memory, and removes what nobody uses.
//
//	shmkit ls [-a] [-json] [OBJECT...]     what there is
//	shmkit stat [-json] OBJECT             what is in it: header, locks, rings, values
//	shmkit top [-once] [OBJECT...]         a live view of what goes through
//	shmkit dump [-o N] [-n N] OBJECT       its bytes, with what they mean
//	shmkit sweep [-n] [NAME...]            remove what crashed programs left behind
//	shmkit doctor [-json]                  what this machine offers, and what it lacks
//
// An OBJECT is a name in /dev/shm, or PID:FD for an anonymous object, which a
// descriptor of a running process leads to; ls -a lists those of the same user.
//
// All but sweep only read: they take no locks, map nothing, and are no users of what
// they look at. What they read may be garbage, and may change meanwhile.
//
// Exit codes: 0; 1 if something failed, or doctor found that something needed is
// missing; 2 for a wrong command line.
package main
