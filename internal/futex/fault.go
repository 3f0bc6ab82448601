package futex

import "runtime/debug"

// ask returns what f says, or that it met memory which is gone: somebody
// truncated its file. Looks run on a goroutine where nobody else could recover.
func ask(f func() bool) (yes, lost bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			lost = true
		}
	}()
	return f(), false
}
