package proc_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
)

var tellKey *proc.Func[tellKeyArg]

func init() { tellKey = proc.Register("tellKey", runTellKey) }

type tellKeyArg struct {
	Out   *file
	Again bool
}

func runTellKey(ctx context.Context, a tellKeyArg) error {
	fmt.Fprintf(a.Out, "%x\n", proc.Current().AuthKey())
	if !a.Again {
		return nil
	}
	p, err := tellKey.Start(ctx, tellKeyArg{Out: a.Out}, nil)
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// P01, P07, P08: the key is there, random, the same in the whole family, and a
// child may get another one, which its own children have.
func TestAuthKeyP01P07P08(t *testing.T) {
	key := proc.Current().AuthKey()
	require.Len(t, key, 32)
	require.NotEqual(t, make([]byte, 32), key)
	key[0]++
	require.NotEqual(t, key, proc.Current().AuthKey(), "a copy")
	key[0]--

	for _, given := range [][]byte{nil, []byte("a key of its own")} {
		out := newOutput(t)
		p := start(t, tellKey, tellKeyArg{Out: out.W, Again: true}, &proc.Options{AuthKey: given})
		want := key
		if given != nil {
			want = given
		}
		require.Equal(t, fmt.Sprintf("%x\n%x\n", want, want), out.all())
		require.Equal(t, want, p.AuthKey())
		require.NoError(t, p.Wait(watchdog(t)))
	}
}

// Nothing that prints a process prints its key.
func TestAuthKeyIsNotPrinted(t *testing.T) {
	me := proc.Current()
	key := string(me.AuthKey())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		for _, v := range []any{me, struct{ P *proc.Process }{me}} {
			text := fmt.Sprintf(verb, v)
			require.NotContains(t, text, key)
			require.NotContains(t, text, fmt.Sprintf("%x", key))
			require.NotContains(t, text, fmt.Sprint([]byte(key)))
		}
	}
}
