package ringbuf_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/ringbuf"
)

func hasName(name string) bool {
	_, err := os.Lstat("/dev/shm/" + name)
	return err == nil
}

type closes interface{ Close() error }

// openedAs is what each kind of object is made and opened by.
var openedAs = map[string]struct {
	make func(name string, o *ringbuf.Options) (closes, error)
	open func(ctx context.Context, name string) (closes, error)
}{
	"ring": {
		func(name string, o *ringbuf.Options) (closes, error) { return ringbuf.New(name, o) },
		func(ctx context.Context, name string) (closes, error) { return ringbuf.Open(ctx, name, nil) },
	},
	"queue": {
		func(name string, o *ringbuf.Options) (closes, error) { return ringbuf.NewQueue(name, o) },
		func(ctx context.Context, name string) (closes, error) { return ringbuf.OpenQueue(ctx, name, nil) },
	},
	"chan": {
		func(name string, o *ringbuf.Options) (closes, error) { return ringbuf.NewChan[int](name, 8, o) },
		func(ctx context.Context, name string) (closes, error) {
			return ringbuf.OpenChan[int](ctx, name, nil)
		},
	},
	"exchange": {
		func(name string, o *ringbuf.Options) (closes, error) {
			return ringbuf.NewExchange(name, &ringbuf.ExchangeOptions{Owner: o.Owner})
		},
		func(ctx context.Context, name string) (closes, error) { return ringbuf.Dial(ctx, name, nil) },
	},
}

func TestOwners(t *testing.T) {
	for kind, k := range openedAs {
		for _, owner := range []ringbuf.Owner{ringbuf.OwnerNone, ringbuf.OwnerCreator, ringbuf.OwnerUsers} {
			name := testproc.Name(t)
			t.Cleanup(func() { os.Remove("/dev/shm/" + name) })
			made, err := k.make(name, &ringbuf.Options{Owner: owner})
			require.NoError(t, err)
			user, err := k.open(t.Context(), name)
			require.NoError(t, err)
			require.NoError(t, made.Close())
			require.Equal(t, owner != ringbuf.OwnerCreator, hasName(name), "%s %v", kind, owner)
			require.NoError(t, user.Close())
			require.Equal(t, owner == ringbuf.OwnerNone, hasName(name), "%s %v", kind, owner)
		}
	}
}

// X08: an attempt to open as something else removes not even an orphan.
func TestFailedOpenOfAnOrphan(t *testing.T) {
	orphan := func(kind string) string {
		name := testproc.Name(t)
		t.Cleanup(func() { os.Remove("/dev/shm/" + name) })
		made, err := openedAs[kind].make(name, &ringbuf.Options{Owner: ringbuf.OwnerUsers})
		require.NoError(t, err)
		require.NoError(t, os.Rename("/dev/shm/"+name, "/dev/shm/"+name+"-aside"))
		require.NoError(t, made.Close())
		require.NoError(t, os.Rename("/dev/shm/"+name+"-aside", "/dev/shm/"+name))
		return name
	}
	for made := range openedAs {
		name := orphan(made)
		for opened, o := range openedAs {
			if opened == made || made == "queue" && opened == "ring" {
				continue
			}
			_, err := o.open(t.Context(), name)
			require.Error(t, err)
			require.True(t, hasName(name), "%s opened as %s", made, opened)
		}
	}
	name := orphan("exchange")
	_, err := ringbuf.NewExchange(name, &ringbuf.ExchangeOptions{Clients: 3})
	require.ErrorIs(t, err, ringbuf.ErrSize)
	require.True(t, hasName(name))
}

// A server's name goes with it, or with the last client.
func TestServeOwners(t *testing.T) {
	for _, owner := range []ringbuf.Owner{ringbuf.OwnerNone, ringbuf.OwnerCreator, ringbuf.OwnerUsers} {
		name := testproc.Name(t)
		t.Cleanup(func() { os.Remove("/dev/shm/" + name) })
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		echo := func(_ context.Context, b []byte) ([]byte, error) { return b, nil }
		go func() { served <- ringbuf.Serve(ctx, name, echo, &ringbuf.ServeOptions{Owner: owner}) }()
		client, err := ringbuf.Dial(t.Context(), name, &ringbuf.DialOptions{Wait: true})
		require.NoError(t, err)
		reply, err := client.Call(t.Context(), []byte("hello"))
		require.NoError(t, err)
		require.Equal(t, "hello", string(reply))
		stop()
		require.ErrorIs(t, <-served, context.Canceled)
		require.Equal(t, owner != ringbuf.OwnerCreator, hasName(name), "%v", owner)
		require.NoError(t, client.Close())
		require.Equal(t, owner == ringbuf.OwnerNone, hasName(name), "%v", owner)
	}
}
