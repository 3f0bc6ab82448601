// Package explore runs the shipped code of two or three processes through all
// their interleavings, with death at any step.
//
// In a build with the tag explore each access to a mem.Uint32 or mem.Uint64,
// each futex call and each question whether somebody still exists is a step.
// The processes are coroutines that switch at every step; the explorer decides
// who moves next, who dies now, and which sleeper a wake picks, and tries every
// decision, depth first, each time from the beginning (stateless search as in
// Godefroid, "Model Checking for Programming Languages using VeriSoft", POPL
// 1997). Two schedules meet when the shared memory is the same and each process
// has learnt the same from it: the code is deterministic, so both have the same
// futures, and one is enough.
//
// The kernel's part is simulated. A process that dies, or ends, leaves its TID
// marked in the robust words that carry it, and one sleeper of each is woken if
// the word says that there may be one. The look (package futex) comes when no
// process can move; Report.Looks says how many schedules needed it, which has to
// be none where nobody dies: else a wake was lost.
//
// Larger worlds need help. Model.Switches bounds how often a process is interrupted;
// World.Quiet and Proc.Atomically take steps away where nobody can tell; Proc.Forget,
// Pure and Forgetting let more schedules meet; Proc.Rest keeps a process alive whose
// end would hide a lost wake.
//
// What it does not see: memory is sequentially consistent; plain copies between
// two steps are one step with the access before; a process has one thread, and
// is gone when it is marked; sleepers wake for a reason.
//
//	report := explore.Run(explore.Model{Memory: 64, Deaths: 1, Setup: func(w *explore.World) {
//		m := explore.At[semaphore.Mutex](w, 0)
//		w.Robust(explore.At[mem.Uint32](w, 0))
//		for range 2 {
//			w.Go(func(p *explore.Proc) { ... m.Lock() ... m.Unlock() })
//		}
//	}})
//	require.Nil(t, report.Violation)
//
// The package is for tests; one Run at a time. `go test` of this package runs
// the tests that have the tag, in a process of their own.
package explore
