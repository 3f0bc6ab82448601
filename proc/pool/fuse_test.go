package pool

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A fuse that burns while it is stopped does not let go of who stops it.
func TestFuse(t *testing.T) {
	burning, release := make(chan struct{}), make(chan struct{})
	burned := false
	f := lightFuse(0, func() {
		close(burning)
		<-release
		burned = true
	})
	<-burning
	stopped := make(chan bool)
	go func() {
		f.stop()
		stopped <- burned // a data race, if stop does not wait
	}()
	close(release)
	require.True(t, <-stopped)

	f = lightFuse(1<<40, func() { t.Error("it was stopped") })
	f.stop()
}
