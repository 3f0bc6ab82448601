//go:build explore

package futex

import (
	"context"

	"github.com/shmkit/shmkit/internal/mem"
)

// Kernel stands in for futex(2) and for the look while package explore runs
// simulated processes.
type Kernel interface {
	Sleep(ctx context.Context, words []Word, gone func() bool) error
	Wake(w *mem.Uint32, n int) int
	WakeClear(w *mem.Uint32)
	WakeBit(w *mem.Uint32)
}

// Explorer is the kernel of the simulated processes.
var Explorer Kernel

const maxWake = 1<<31 - 1

// Sleep is SleepAny for one word.
func Sleep(ctx context.Context, w *mem.Uint32, val uint32, gone func() bool) error {
	return Explorer.Sleep(ctx, []Word{{w, val}}, gone)
}

// SleepAny sleeps while every word holds its value.
func SleepAny(ctx context.Context, words []Word, gone func() bool) error {
	return Explorer.Sleep(ctx, words, gone)
}

// Wake wakes up to n sleepers of w, and returns how many.
func Wake(w *mem.Uint32, n int) int { return Explorer.Wake(w, n) }

// WakeAll wakes every sleeper of w.
func WakeAll(w *mem.Uint32) { Explorer.Wake(w, maxWake) }

// WakeClear sets w to 0 and wakes one of its sleepers, in one step.
func WakeClear(w *mem.Uint32) error {
	Explorer.WakeClear(w)
	return nil
}

// WakeBit clears bit 31 of w and wakes everybody who sleeps on it, in one step.
func WakeBit(w *mem.Uint32) error {
	Explorer.WakeBit(w)
	return nil
}

// Evict has nobody to wake here.
func Evict(from, to uintptr, gone bool) {}

// Yield does nothing here.
func Yield() {}
