//go:build !linux && !explore

package futex

import (
	"context"
	"errors"

	"github.com/shmkit/shmkit/internal/mem"
)

// Sleep is not available on this system.
func Sleep(ctx context.Context, w *mem.Uint32, val uint32, gone func() bool) error {
	return errors.ErrUnsupported
}

// SleepAny is not available on this system.
func SleepAny(ctx context.Context, words []Word, gone func() bool) error {
	return errors.ErrUnsupported
}

// Wake wakes nobody: nobody can sleep on this system.
func Wake(w *mem.Uint32, n int) int { return 0 }

// WakeAll wakes nobody: nobody can sleep on this system.
func WakeAll(w *mem.Uint32) {}

// WakeClear is not available on this system.
func WakeClear(w *mem.Uint32) error { return errors.ErrUnsupported }

// WakeBit is not available on this system.
func WakeBit(w *mem.Uint32) error { return errors.ErrUnsupported }

// LightFences is false on this system.
func LightFences() bool { return false }

// HeavyFence is false on this system.
func HeavyFence() bool { return false }

// Evict has nobody to wake here.
func Evict(from, to uintptr, gone bool) {}

// Yield does nothing here.
func Yield() {}
