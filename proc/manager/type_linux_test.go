package manager_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

var errSpecial = proc.RegisterError("manager_test.errSpecial", errors.New("special"))

type counter struct {
	mu    sync.Mutex
	n     int
	child *counter

	holding atomic.Int32 // calls of Hold
	others  []*manager.Dict[string, int]
}

func (c *counter) Add(_ context.Context, by int) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += by
	return c.n, nil
}

func (c *counter) Value() int                     { return c.n }
func (c *counter) Both(a, b string) (string, int) { return a + b, c.n }
func (c *counter) Nothing()                       {}
func (c *counter) Fail() error                    { return errSpecial }
func (c *counter) Panic()                         { panic("help") }
func (c *counter) Me() *counter                   { return c }
func (c *counter) Child() *counter                { return c.child }
func (c *counter) Squares(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i * i) {
				return
			}
		}
	}
}
func (c *counter) Halting() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		_ = yield("one", nil) && yield("", errSpecial)
	}
}
func (c *counter) Keep(d *manager.Dict[string, int])  { c.others = append(c.others, d) }
func (c *counter) Kept() []*manager.Dict[string, int] { return c.others }
func (c *counter) Hold(ctx context.Context) error {
	c.holding.Add(1)
	defer c.holding.Add(-1)
	<-ctx.Done()
	return context.Cause(ctx)
}
func (c *counter) Holding() int   { return int(c.holding.Load()) }
func (c *counter) hidden() string { return "hidden" }

var counterType = manager.RegisterType("counter", func(_ context.Context, start int) (*counter, error) {
	if start < 0 {
		return nil, errSpecial
	}
	return &counter{n: start, child: &counter{n: -1}}, nil
}, &manager.TypeOptions{Functions: map[string]any{"hidden": (*counter).hidden}})

type shy struct{}

func (*shy) F() string { return "f" }
func (*shy) G() string { return "g" }

var shyType = manager.RegisterType("shy", func(context.Context, any) (*shy, error) { return &shy{}, nil },
	&manager.TypeOptions{Expose: []string{"F"}})

var counterAdd = manager.MethodOf((*counter).Add)

// G01: what is exposed; G02: errors keep their identity.
func TestTypes(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		c, err := counterType.New(ctx, m, 5)
		require.NoError(t, err)
		n, err := counterAdd.Call(ctx, c, 2)
		require.NoError(t, err)
		require.Equal(t, 7, n)
		n, err = manager.Call[int](ctx, c, "Value")
		require.NoError(t, err)
		require.Equal(t, 7, n)
		two, err := manager.Call[[]any](ctx, c, "Both", "a", "b")
		require.NoError(t, err)
		require.Equal(t, []any{"ab", int64(7)}, two)
		_, err = manager.Call[any](ctx, c, "Nothing")
		require.NoError(t, err)
		s, err := manager.Call[string](ctx, c, "hidden")
		require.NoError(t, err)
		require.Equal(t, "hidden", s)

		_, err = manager.Call[any](ctx, c, "Fail")
		require.ErrorIs(t, err, errSpecial)
		var remote *proc.RemoteError
		require.ErrorAs(t, err, &remote)
		_, err = manager.Call[any](ctx, c, "Panic")
		require.ErrorAs(t, err, &remote)
		require.True(t, remote.Panicked)
		require.Equal(t, "help", remote.Text)
		require.Contains(t, remote.Stack, "counter")
		_, err = manager.Call[any](ctx, c, "Absent")
		require.ErrorIs(t, err, manager.ErrMethod)
		_, err = manager.Call[any](ctx, c, "Value", 1)
		require.ErrorIs(t, err, manager.ErrMethod)
		_, err = manager.Call[any](ctx, c, "Add", "text")
		require.ErrorIs(t, err, manager.ErrArgument)
		_, err = manager.Call[string](ctx, c, "Value")
		require.ErrorIs(t, err, manager.ErrValue)
		_, err = counterType.New(ctx, m, -1)
		require.ErrorIs(t, err, errSpecial)

		quiet, err := shyType.New(ctx, m, nil)
		require.NoError(t, err)
		s, err = manager.Call[string](ctx, quiet, "F")
		require.NoError(t, err)
		require.Equal(t, "f", s)
		_, err = manager.Call[string](ctx, quiet, "G")
		require.ErrorIs(t, err, manager.ErrMethod)
		require.NoError(t, quiet.Close())
		require.NoError(t, c.Close())
		nothingLeft(t, m)
	})
}

// A method that returns a value of a registered type returns its proxy, always the same
// object's.
func TestTypesReturnProxies(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		c, err := counterType.New(ctx, m, 5)
		require.NoError(t, err)
		me, err := manager.Call[*manager.Object[counter]](ctx, c, "Me")
		require.NoError(t, err)
		require.Equal(t, c.ID(), me.ID())
		child, err := manager.Call[*manager.Object[counter]](ctx, c, "Child")
		require.NoError(t, err)
		n, err := counterAdd.Call(ctx, child, 1)
		require.NoError(t, err)
		require.Zero(t, n)
		require.NoError(t, child.Close())
		child, err = manager.Call[*manager.Object[counter]](ctx, c, "Child")
		require.NoError(t, err)
		n, err = manager.Call[int](ctx, child, "Value")
		require.NoError(t, err)
		require.Zero(t, n)
		_, err = manager.Call[*manager.Dict[string, int]](ctx, c, "Child")
		require.ErrorIs(t, err, manager.ErrKind)

		d, err := manager.NewDict[string, int](ctx, m)
		require.NoError(t, err)
		_, err = manager.Call[any](ctx, c, "Keep", d)
		require.NoError(t, err)
		require.NoError(t, d.Set(ctx, "a", 1))
		id := d.ID()
		require.NoError(t, d.Close())
		kept, err := manager.Call[[]*manager.Dict[string, int]](ctx, c, "Kept")
		require.NoError(t, err)
		require.Len(t, kept, 1)
		require.Equal(t, id, kept[0].ID())
		n, err = kept[0].Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

// G03.
func TestIterators(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		c, err := counterType.New(ctx, m, 0)
		require.NoError(t, err)
		squares, err := manager.Call[*manager.Iterator[int]](ctx, c, "Squares", 10)
		require.NoError(t, err)
		var got []int
		for v, err := range squares.All(ctx) {
			require.NoError(t, err)
			got = append(got, v)
		}
		require.Equal(t, []int{0, 1, 4, 9, 16, 25, 36, 49, 64, 81}, got)
		_, err = squares.Next(ctx)
		require.Equal(t, io.EOF, err)
		require.NoError(t, squares.Close())

		halting, err := manager.Call[*manager.Iterator[string]](ctx, c, "Halting")
		require.NoError(t, err)
		s, err := halting.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, "one", s)
		_, err = halting.Next(ctx)
		require.ErrorIs(t, err, errSpecial)
		require.NoError(t, halting.Close())
		require.NoError(t, c.Close())
		nothingLeft(t, m)
	})
}

// A method hears that its caller has given up, and so does that of one who is killed; the
// manager is not kept from ending by it.
func TestMethodsThatWait(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx, cancel := context.WithCancel(bounded(t))
		c, err := counterType.New(ctx, m, 0)
		require.NoError(t, err)
		done := make(chan error)
		for range 30 {
			go func() {
				_, err := manager.Call[any](ctx, c, "Hold")
				done <- err
			}()
		}
		n, err := counterAdd.Call(ctx, c, 1)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		cancel()
		for range 30 {
			require.ErrorIs(t, <-done, context.Canceled)
		}
		go func() {
			_, err := manager.Call[any](t.Context(), c, "Hold")
			done <- err
		}()
		_, err = counterAdd.Call(bounded(t), c, 1)
		require.NoError(t, err)
		require.NoError(t, m.Close())
		require.ErrorIs(t, <-done, manager.ErrManagerGone)
	})
}
