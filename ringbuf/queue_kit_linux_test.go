package ringbuf

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// queue makes an anonymous queue that is closed after the test.
func queue(t testing.TB, o *Options) *Queue {
	t.Helper()
	q, err := NewQueue("", o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}

func openedQueue(c *testproc.Child, i int) *Queue {
	q, err := OpenQueueFile(c.Files[i])
	require.NoError(c, err)
	return q
}
