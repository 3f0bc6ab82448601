//go:build !(linux && (amd64 || arm64))

package mem

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"
)

func unsupported() error { return fmt.Errorf("map: %w on %s", errors.ErrUnsupported, runtime.GOOS) }

// Map is not available on this system.
func Map(f *os.File, size int, o Options) (*Mapping, error) { return nil, unsupported() }

// MapRing is not available on this system.
func MapRing(f *os.File, head, data, more int, o Options) (*Mapping, error) {
	return nil, unsupported()
}

// Close does nothing: there are no mappings on this system.
func (m *Mapping) Close() error { return nil }

// Sync is not available on this system.
func (m *Mapping) Sync() error { return unsupported() }

// Lock is not available on this system.
func (m *Mapping) Lock() error { return unsupported() }

// Unlock is not available on this system.
func (m *Mapping) Unlock() error { return unsupported() }

// Shadow returns nil: there is no arena on this system.
func Shadow(p unsafe.Pointer) unsafe.Pointer { return nil }

// ShadowDistance is 0: there is no arena on this system.
func ShadowDistance() uintptr { return 0 }

// Find finds nothing: there are no mappings on this system.
func Find(p unsafe.Pointer) (live, truncatable bool) { return false, false }

// Closed is false: there are no mappings on this system.
func Closed(p unsafe.Pointer) bool { return false }

// Retire does nothing on this system.
func (m *Mapping) Retire() {}

// Revive does nothing on this system.
func (m *Mapping) Revive() {}
