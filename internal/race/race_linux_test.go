package race

import (
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The word is in mapped memory, where the detector sees nothing: with -race this
// test fails unless the annotation orders the accesses to msg.
func TestHandOver(t *testing.T) {
	b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	require.NoError(t, err)
	defer unix.Munmap(b)
	word := (*atomic.Uint32)(unsafe.Pointer(&b[0]))

	var sync Addr
	msg := 0
	done := make(chan int)
	go func() {
		for word.Load() == 0 {
		}
		sync.Acquire()
		done <- msg
	}()
	msg = 1
	sync.ReleaseMerge()
	word.Store(1)
	require.Equal(t, 1, <-done)
}
