// Package testproc makes tests out of processes. The test binary executes
// itself: a child runs a helper, a function that stands next to the test that
// uses it, and talks with the test by lines on its stdin and stdout.
//
//	func TestMain(m *testing.M) { testproc.Main(m) }
//
//	var _ = testproc.Helper("holder", func(c *testproc.Child) {
//		hold(c.Files[0])
//		c.WriteLine("held")
//		c.Park() // until the test kills it or closes its stdin
//	})
//
//	func TestDeath(t *testing.T) {
//		p := testproc.Start(t, "holder", testproc.Files(f))
//		p.Expect("held")
//		p.Kill()
//		...
//	}
//
// After the tests Main fails the run if they left anything behind: open
// descriptors, mappings of memfds or of files in /dev/shm, sleeping threads that
// are not keepers, processes, or a name in /dev/shm that was made by [Name]. In
// a full run (no -run, not -short) a helper that no test started is a failure
// too.
//
// # Crash walks
//
// [CrashWalk] builds the package's test binary with the tag crashpoints, finds
// every crashpoint.Hit in the package's source, and runs a scenario once for
// each, in which the victim dies there. A point that nothing hit is a failure.
//
//	func TestWalk(t *testing.T) {
//		testproc.CrashWalk(t, nil, func(t *testing.T, v *testproc.Victim) {
//			p := v.Start("holder", testproc.Files(f))
//			p.Wait()   // killed at v.Point, or done where the point is on another path
//			...        // whatever the point was, the survivors go on
//		})
//	}
//
// Every wait on a child has a watchdog of 60 seconds ([Watchdog]), which dumps
// the stacks of the child and of the test before it fails.
//
// A Proc and a Child are for one goroutine at a time, except that Kill, Stop,
// Cont and Wait may be called from any. When the test process dies, its children
// are killed by the kernel. Processes are started on Linux only; elsewhere tests
// that need them skip.
package testproc
