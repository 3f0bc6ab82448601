package shm_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// These are the rows A01 to A06, A10 and A11 of Python's tests of sharedctypes.

// numbers is a struct of all codes of A01, and of the fields of A10.
type numbers struct {
	I int32
	D float64
	H int16
	Q int64
	C byte
	P struct{ X, Y float64 }
	S [20]byte
}

var started = numbers{I: 4343, D: 3.625, H: -232, Q: 1 << 33, C: 'c', P: struct{ X, Y float64 }{1.5, -2}, S: [20]byte{'h', 'i'}}

// double doubles everything in n, as Python's child does.
func double(n *numbers) {
	n.I *= 2
	n.D *= 2
	n.H *= 2
	n.Q *= 2
	n.P.X, n.P.Y = 2*n.P.X, 2*n.P.Y
	n.S = [20]byte{'h', 'i', 'h', 'i'}
}

// guarded is a value whose lock is given: it lies beside it. A02, A06
type guarded struct {
	mu semaphore.Mutex
	n  numbers
	a  [10]float64
}

var _ = testproc.Helper("double", func(c *testproc.Child) {
	ctx := context.Background()
	locked, err := shm.OpenValue[numbers](ctx, c.Args[0], nil)
	require.NoError(c, err)
	require.NoError(c, locked.Update(ctx, func(n *numbers) error { double(n); return nil }))
	array, err := shm.OpenArray[float64](ctx, c.Args[1], nil)
	require.NoError(c, err)
	require.NoError(c, array.Lock())
	for i := range array.Slice() {
		array.Slice()[i] *= 2
	}
	array.Unlock()
	given, err := shm.OpenObject[guarded](ctx, c.Args[2], nil)
	require.NoError(c, err)
	require.NoError(c, given.Ptr().mu.Lock())
	double(&given.Ptr().n)
	for i := range given.Ptr().a {
		given.Ptr().a[i] *= 2
	}
	given.Ptr().mu.Unlock()
	raw, err := shm.Open(ctx, c.Args[3], nil)
	require.NoError(c, err)
	n, err := shm.View[numbers](raw, 0)
	require.NoError(c, err)
	double(n)
	s, err := shm.ViewSlice[float64](raw, 128, 10)
	require.NoError(c, err)
	for i := range s {
		s[i] *= 2
	}
})

// A01, A10: a child doubles what its parent has stored, with the value's own lock,
// with one that was given, and without any.
func TestSharedctypes(t *testing.T) {
	names := []string{newName(t), newName(t), newName(t), newName(t)}
	locked := must[*shm.Value[numbers]](t)(shm.NewValue(names[0], started, nil))
	array := must[*shm.Array[float64]](t)(shm.NewArray[float64](names[1], 10, nil))
	given := must[*shm.Object[guarded]](t)(shm.NewObject[guarded](names[2], nil))
	raw := segment(t, names[3], 128+10*8)
	n, err := shm.View[numbers](raw, 0)
	require.NoError(t, err)
	s, err := shm.ViewSlice[float64](raw, 128, 10)
	require.NoError(t, err)
	given.Ptr().n, *n = started, started
	want := started
	double(&want)
	var floats []float64
	for i := range 10 {
		array.Slice()[i], given.Ptr().a[i], s[i] = float64(i), float64(i), float64(i)
		floats = append(floats, 2*float64(i))
	}

	testproc.Start(t, "double", testproc.Args(names...)).Succeed()
	require.Equal(t, want, load(t, locked))
	require.Equal(t, floats, array.Slice())
	require.Equal(t, want, given.Ptr().n)
	require.Equal(t, floats, given.Ptr().a[:])
	require.Equal(t, want, *n)
	require.Equal(t, floats, s)
}

// A03, at run time where the compiler cannot: no pointer can be shared.
func TestBadTypes(t *testing.T) {
	var bad *shm.TypeError
	_, err := shm.NewValue("", "text", nil)
	require.ErrorAs(t, err, &bad)
	_, err = shm.NewArray[*int]("", 3, nil)
	require.ErrorAs(t, err, &bad)
	_, err = shm.NewObject[struct{ F func() }]("", nil)
	require.ErrorAs(t, err, &bad)
	require.ErrorContains(t, err, ".F")
}

// A05: zero, also where memory was used before.
func TestArraysAreZero(t *testing.T) {
	for range 3 {
		a, err := shm.NewArray[int64]("", 10000, nil)
		require.NoError(t, err)
		for i, v := range a.All() {
			require.Zero(t, v)
			a.Slice()[i] = -1
		}
		require.NoError(t, a.Close())
	}
}

// A04: parts without copying, and copied; A11: a copy is independent.
func TestPartsAndCopies(t *testing.T) {
	a := must[*shm.Array[int32]](t)(shm.NewArray[int32]("", 10, nil))
	part := a.Slice()[2:5]
	copy(part, []int32{1, 2, 3})
	v, err := a.At(3)
	require.NoError(t, err)
	require.Equal(t, int32(2), v)
	copied := make([]int32, 10)
	_, err = a.CopyTo(copied)
	require.NoError(t, err)
	part[0], copied[9] = 7, 9
	require.Equal(t, []int32{0, 0, 7, 2, 3, 0, 0, 0, 0, 0}, a.Slice())
	require.Equal(t, []int32{0, 0, 1, 2, 3, 0, 0, 0, 0, 9}, copied)

	value := must[*shm.Value[numbers]](t)(shm.NewValue("", started, nil))
	mine := load(t, value)
	mine.P.X = 99
	require.Equal(t, started, load(t, value))
	again := must[*shm.Value[numbers]](t)(shm.NewValue("", mine, nil))
	require.NoError(t, value.Store(numbers{}))
	require.Equal(t, mine, load(t, again))
}

// X01 with a repair that every method knows.
func TestArrayRepairsItself(t *testing.T) {
	for what, use := range map[string]func(a *shm.Array[int64]) error{
		"At":     func(a *shm.Array[int64]) error { _, err := a.At(0); return err },
		"Set":    func(a *shm.Array[int64]) error { return a.Set(1, 5) },
		"CopyTo": func(a *shm.Array[int64]) error { _, err := a.CopyTo(make([]int64, 3)); return err },
		"Update": func(a *shm.Array[int64]) error {
			return a.Update(t.Context(), 2, func(n *int64) error { *n++; return nil })
		},
		"Lock": func(a *shm.Array[int64]) error {
			err := a.Lock()
			if err == nil {
				a.Unlock()
			}
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			name := newName(t)
			a := must[*shm.Array[int64]](t)(shm.NewArray[int64](name, 3, nil))
			p := testproc.Start(t, "die with the lock", testproc.Args(name))
			p.Expect("locked")
			p.Kill()
			p.Wait()
			sick := errors.New("sick")
			repaired := 0
			a.SetRepair(func([]int64) error { return sick })
			require.ErrorIs(t, use(a), sick)
			a.SetRepair(nil)
			require.ErrorIs(t, use(a), semaphore.ErrOwnerDied, "a repair that fails repairs nothing")
			a.SetRepair(func(s []int64) error {
				repaired++
				require.Equal(t, int64(1), s[0])
				clear(s)
				return nil
			})
			require.NoError(t, use(a))
			require.NoError(t, use(a))
			require.Equal(t, 1, repaired)
			v, err := a.At(0)
			require.NoError(t, err)
			require.Zero(t, v)
		})
	}
}

var _ = testproc.Helper("construct", func(c *testproc.Child) {
	o := &shm.Options{}
	if c.Args[2] == "replace" {
		o.Exist = shm.ExistReplace
	}
	_, err := constructors[c.Args[0]].create(c.Args[1], o)
	require.NoError(c, err)
})

// constructors make an object whose contents are not all zero, and check one.
var constructors = map[string]struct {
	create func(name string, o *shm.Options) (closer, error)
	check  func(t *testing.T, name string) error
}{
	"value": {
		func(name string, o *shm.Options) (closer, error) { return shm.NewValue(name, blockOf(7), o) },
		func(t *testing.T, name string) error {
			v, err := shm.OpenValue[block](t.Context(), name, nil)
			if err == nil {
				require.Equal(t, uint64(7), whole(t, load(t, v)))
				require.NoError(t, v.Update(t.Context(), func(b *block) error { return nil }))
				require.NoError(t, v.Close())
			}
			return err
		},
	},
	"array": {
		func(name string, o *shm.Options) (closer, error) { return shm.NewArray[[3]int64](name, 100, o) },
		func(t *testing.T, name string) error {
			a, err := shm.OpenArray[[3]int64](t.Context(), name, nil)
			if err == nil {
				require.Equal(t, 100, a.Len())
				require.NoError(t, a.Set(99, [3]int64{1, 2, 3}))
				require.NoError(t, a.Close())
			}
			return err
		},
	},
	"object": {
		func(name string, o *shm.Options) (closer, error) { return shm.NewObject[guarded](name, o) },
		func(t *testing.T, name string) error {
			o, err := shm.OpenObject[guarded](t.Context(), name, nil)
			if err == nil {
				require.NoError(t, o.Ptr().mu.Lock())
				o.Ptr().mu.Unlock()
				require.NoError(t, o.Close())
			}
			return err
		},
	},
	"segment": {
		func(name string, o *shm.Options) (closer, error) { return shm.Create(name, 10000, o) },
		func(t *testing.T, name string) error {
			s, err := shm.Open(t.Context(), name, nil)
			if err == nil {
				require.Equal(t, make([]byte, 10000), s.Bytes())
				require.NoError(t, s.Close())
			}
			return err
		},
	},
	"list": {
		func(name string, o *shm.Options) (closer, error) {
			return shm.NewShareableList(name, &shm.ListOptions{Exist: o.Exist, Locked: true}, mixed...)
		},
		func(t *testing.T, name string) error {
			l, err := shm.OpenShareableList(t.Context(), name, nil)
			if err == nil {
				require.Equal(t, mixed, items(t, l))
				require.NoError(t, l.Close())
			}
			return err
		},
	},
}

// X09 under kills: wherever a constructor dies, its name leads to the whole object or
// nowhere, and the next constructor has its way.
func TestConstructorDies(t *testing.T) {
	var scenarios []func(t *testing.T, v *testproc.Victim)
	for kind, k := range constructors {
		for _, how := range []string{"fresh", "replace"} {
			scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
				name := newName(t)
				if how == "replace" {
					require.NoError(t, os.WriteFile(shmDir+name, []byte("old"), 0o600))
				}
				v.Start("construct", testproc.Args(kind, name, how)).Wait()
				if b, err := os.ReadFile(shmDir + name); err != nil || string(b) != "old" {
					err := k.check(t, name)
					if v.Fired() && v.Point != "shmfile/create-published" {
						require.ErrorIs(t, err, shm.ErrNotExist)
					} else {
						require.NoError(t, err)
					}
				}
				o := &shm.Options{Exist: shm.ExistReplace}
				h, err := k.create(name, o)
				require.NoError(t, err)
				require.NoError(t, h.Close())
				require.NoError(t, k.check(t, name))
			})
		}
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{
		Dirs: []string{"../internal/shmfile"}, Prefix: []string{"shmfile/create-"},
		Skip: []string{"shmfile/create-marked"}, // of an owner, see shmfile
	}, scenarios...)
}
