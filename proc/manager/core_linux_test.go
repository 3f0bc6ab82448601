package manager_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc/manager"
)

// Starts a manager that others can connect with, and is killed.
var _ = testproc.Helper("manager.parent", func(c *testproc.Child) {
	_, err := manager.Start(context.Background(), &manager.Options{Address: c.Args[0], AuthKey: []byte("key")})
	require.NoError(c, err)
	c.WriteLine("started")
	c.Park()
})

// A manager whose parent was killed ends when its last client has gone, whichever way, and not
// before.
func TestOrphan(t *testing.T) {
	address := fmt.Sprintf("@shmkit-orphan-%d", os.Getpid())
	p := testproc.Start(t, "manager.parent", testproc.Args(address))
	p.Expect("started")
	ctx, key := bounded(t), &manager.ConnectOptions{AuthKey: []byte("key")}
	m, err := manager.Connect(ctx, address, key)
	require.NoError(t, err)
	d, err := manager.NewDict[string, int](ctx, m)
	require.NoError(t, err)
	p.Kill()
	p.Wait()
	require.NoError(t, d.Set(ctx, "a", 1))
	for clients := 2; clients > 1; { // the parent's session ends, this one does not
		info, err := m.Info(ctx)
		require.NoError(t, err)
		clients = 0
		for _, pid := range info.Clients {
			if pid == p.PID || pid == os.Getpid() {
				clients++
			}
		}
	}
	n, err := d.Get(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, d.Close())
	require.NoError(t, m.Close())
	testproc.Within(t, func() {
		for !errors.Is(err, syscall.ECONNREFUSED) {
			if m, err = manager.Connect(ctx, address, key); err == nil {
				m.Close()
			}
		}
	})
}
