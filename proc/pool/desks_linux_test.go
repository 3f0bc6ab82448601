package pool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// A worker that has gone keeps no processor busy.
func TestNobodyAwakeAtAnEmptyDesk(t *testing.T) {
	p, err := New(1, &Options{MaxTasks: 1})
	require.NoError(t, err)
	defer p.Terminate()
	_, err = tarry.Apply(t.Context(), p, "")
	require.NoError(t, err)
	testproc.Within(t, func() {
		for p.Stats().Workers > 0 {
			time.Sleep(time.Millisecond) // sleep: between two looks
		}
	})
	require.Zero(t, p.board.desks[0].awake.Load())
}
