// Package proc runs functions in processes of their own, as Python's
// multiprocessing does: it starts them, passes them arguments and shared
// objects, waits for them and says how they ended.
//
// A child is this same program, executed again, which finds its function by
// name. So functions are registered in package-level variables and main begins
// with [Main]:
//
//	var greet = proc.Register("greet", func(ctx context.Context, name string) error {
//		_, err := fmt.Println("hello", name)
//		return err
//	})
//
//	func main() {
//		proc.Main()
//		p, err := greet.Start(context.Background(), "world", nil)
//		if err != nil {
//			log.Fatal(err)
//		}
//		err = p.Wait(context.Background())
//	}
//
// Everything may be called from many goroutines, except Main.
//
// # What a child gets
//
// Its argument, copied, in which shared objects lead to the same memory; this
// process's environment and working directory, or those of [Options]; standard
// output and error; no standard input; and no other descriptor that Go opened.
// Its os.Args is the program's name alone. Its slog.Default writes the levels that
// this process's does. It belongs to the same process group, so Ctrl-C on a
// terminal interrupts it too.
//
// Methods by which values encode or decode themselves (MarshalBinary, UnmarshalBinary)
// take turns in a process, whatever is started, sent or received. They must not start,
// send or receive anything themselves: that would wait for itself.
//
// [Command] starts other programs as children, in any language, and passes them
// shared objects.
//
// # When processes die
//
// The parent learns of a child's end, whatever its cause, as soon as the kernel
// reports it: [Process.Done] closes, and roles that the child held fall vacant.
// [Process.Wait] returns an [ExitError] for every end but a good one: with code 1
// and a [ChildError] when the function returned an error, 2 and a [PanicError] for
// a panic, the code modulo 256 of os.Exit and [Exit], and the negative number of a
// signal that killed it.
//
// A parent that ends, even by SIGKILL, takes its daemons with it; other children
// go on and may ask [Parent]. Daemons may not have children. The kernel can be
// trusted with that: there is no heartbeat, and a stopped process is alive.
//
// # Trust
//
// A child trusts its parent: both are the same program with the same rights.
// Nobody else can reach the connection between them.
//
// Processes start on Linux. Elsewhere Start returns an error that wraps
// errors.ErrUnsupported.
package proc
