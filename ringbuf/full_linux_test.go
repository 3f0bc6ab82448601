package ringbuf

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

var _ = testproc.Helper("full", func(c *testproc.Child) {
	ctx := context.Background()
	message := make([]byte, 1000)
	enough := func(err error) { require.True(c, err == nil || errors.Is(err, ErrNoSpace), "%v", err) }
	for _, o := range []*Options{
		{Capacity: minCapacity},
		{Capacity: minCapacity, Mode: MPMC, Producers: 2, Consumers: 2},
		{Capacity: 1 << 20, Mode: MPMC, Producers: 2, Consumers: 2, Grow: true},
		{Capacity: 1 << 20, Mode: MPMC, Producers: 2, Consumers: 2, Grow: true, Leases: true, Redeliver: true},
		{Capacity: minCapacity, MaxMessage: 1 << 20},
	} {
		for _, exist := range []Exist{ExistFail, ExistOpen, ExistReplace} {
			o.Exist = exist
			c.RequireNoSpace(ErrNoSpace, func() (func(), error) {
				r, err := New("full", o)
				return func() {
					p, err := r.Producer()
					if err == nil {
						for range 10 {
							enough(p.Send(ctx, message))
						}
						if o.MaxMessage > 0 {
							enough(p.Send(ctx, make([]byte, o.MaxMessage)))
						}
					} else {
						enough(err)
					}
					require.NoError(c, r.Close())
					require.NoError(c, Unlink("full"))
				}, err
			})
		}
	}
	for _, o := range []*Options{nil, {Mode: MPMC, Producers: 2, Consumers: 2}} {
		c.RequireNoSpace(ErrNoSpace, func() (func(), error) {
			ch, err := NewChan[[100]byte]("full", 16, o)
			return func() {
				for range 16 {
					enough(ch.TrySend([100]byte{1}))
				}
				require.NoError(c, ch.Close())
				require.NoError(c, Unlink("full"))
			}, err
		})
	}
	c.RequireNoSpace(ErrNoSpace, func() (func(), error) {
		q, err := NewQueue("full", &Options{Capacity: 1 << 20, Producers: 2, Consumers: 2, Grow: true})
		return func() {
			enough(q.TrySend(message))
			require.NoError(c, q.Close())
			require.NoError(c, Unlink("full"))
		}, err
	})
	c.RequireNoSpace(ErrNoSpace, func() (func(), error) {
		e, err := NewExchange("full", &ExchangeOptions{MaxMessage: 1000, Clients: 2})
		return func() {
			client, err := e.Client(ctx, nil)
			enough(err)
			if err == nil {
				require.NoError(c, client.Close())
			}
			require.NoError(c, e.Close())
			require.NoError(c, Unlink("full"))
		}, err
	})
	empty := c.FillShm(0)
	require.ErrorIs(c, Serve(ctx, "full", func(_ context.Context, b []byte) ([]byte, error) { return b, nil }, nil), ErrNoSpace)
	empty()
})

// X10, for every constructor, and with each amount of room up to enough. What takes
// memory later says that there is none, and goes on.
func TestFullDevShm(t *testing.T) {
	testproc.Start(t, "full", testproc.SmallShm(t, 4<<20)).Succeed()
}
