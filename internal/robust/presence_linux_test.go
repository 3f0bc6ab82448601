//go:build !explore

package robust

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// part takes part in presence 0 and does what it is told.
var _ = testproc.Helper("part", func(c *testproc.Child) {
	p := mapFile(c, c.Files[0], c.Args[0], memOptions).presence(0)
	for {
		var err error
		var cmd string
		var word uint32
		if n, _ := fmt.Sscan(c.ReadLine(), &cmd, &word); n == 0 {
			continue
		}
		switch cmd {
		case "join":
			err = p.Join(context.Background())
		case "leave":
			p.Leave()
		case "entrust":
			word, err = p.Entrust()
		case "adopt":
			err = p.Adopt(context.Background(), word)
		}
		c.WriteLine("%d %v", word, err)
	}
})

func startPart(t *testing.T, f *os.File, geometry string) *testproc.Proc {
	return testproc.Start(t, "part", testproc.Files(f), testproc.Args(geometry))
}

func tell(p *testproc.Proc, cmd string, word uint32) { p.WriteLine("%s %d", cmd, word) }

func ok(word uint32) string { return fmt.Sprintf("%d <nil>", word) }

func TestPresence(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, geometry)
		p := a.presence(0)
		require.Equal(t, Vacant, StateOf(p.Word.Load()))
		require.Zero(t, p.PID())
		p.Leave() // nothing
		require.NoError(t, p.Join(t.Context()))
		require.Equal(t, Present, StateOf(p.Word.Load()))
		require.NotZero(t, p.Word.Load()&Waiters)
		require.Equal(t, os.Getpid(), p.PID())
		require.ErrorIs(t, p.Join(t.Context()), ErrBusy, "this process takes part already")
		other := startPart(t, f, geometry)
		tell(other, "join", 0)
		other.Expect("0 " + ErrBusy.Error())
		tell(other, "leave", 0) // not its own
		other.Expect(ok(0))
		require.True(t, p.Mine())
		p.Leave()
		require.Equal(t, Vacant, StateOf(p.Word.Load()))
		require.Zero(t, p.PID())
		tell(other, "join", 0)
		other.Expect(ok(0))
		require.Equal(t, other.PID, p.PID())
		require.ErrorIs(t, p.Join(t.Context()), ErrBusy)
	})
}

// Whoever waits for data waits for its sender too.
func TestDeathOfAPeerWakes(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, "near")
		p, data := a.presence(0), a.word(2)
		peer := startPart(t, f, geometry)
		tell(peer, "join", 0)
		peer.Expect(ok(0))
		word := p.Word.Load()
		sleep := func() <-chan error {
			return start(func() error {
				for data.Load() == 0 && p.Word.Load() == word {
					if err := futex.SleepAny(nil, []futex.Word{{Addr: data}, {Addr: &p.Word, Val: word}}, p.CheckOwner); err != nil {
						return err
					}
				}
				return nil
			})
		}
		// The kernel wakes one; all learn.
		done := []<-chan error{sleep(), sleep(), sleep()}
		await(t, func() bool { return sleepers(&p.Word) == 3 })
		peer.Kill()
		for _, d := range done {
			require.NoError(t, result(t, d))
		}
		require.Equal(t, Dead, StateOf(p.Word.Load()))
		require.Zero(t, p.PID())
		require.NoError(t, p.Join(t.Context()), "take over")
		require.Equal(t, os.Getpid(), p.PID())
		p.Leave()
	})
}

// Leaving and coming are news as well.
func TestLeavingAndJoiningWake(t *testing.T) {
	a, f := newArea(t, 4096, "near")
	p := a.presence(0)
	peer := startPart(t, f, "near")
	for _, cmd := range []string{"join", "leave", "join"} {
		word := p.Word.Load()
		done := start(func() error {
			for p.Word.Load() == word {
				if err := futex.Sleep(nil, &p.Word, word, nil); err != nil {
					return err
				}
			}
			return nil
		})
		await(t, func() bool { return sleepers(&p.Word) == 1 })
		tell(peer, cmd, 0)
		peer.Expect(ok(0))
		require.NoError(t, result(t, done))
	}
}

// The one who takes over from a process that is not gone yet waits for it, as
// long as its context lasts.
func TestJoinWaitsForTheFence(t *testing.T) {
	a, f := newArea(t, 4096, "near")
	p := a.presence(0)
	peer := startPart(t, f, "near")
	tell(peer, "join", 0)
	peer.Expect(ok(0))
	p.Word.Store(Waiters | OwnerDied) // "dying": its threads are all there still
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, p.Join(ctx), context.DeadlineExceeded)
	require.Equal(t, Dead, StateOf(p.Word.Load()))
	joined := start(func() error { return p.Join(context.Background()) })
	peer.Kill()
	require.NoError(t, result(t, joined))
	require.Equal(t, os.Getpid(), p.PID())
	p.Leave()
}

// One of several who take over at once gets it.
func TestOneTakesOver(t *testing.T) {
	for range 5 {
		a, f := newArea(t, 4096, "near")
		var peers []*testproc.Proc
		for i := range 3 {
			peers = append(peers, startPart(t, f, geometries[i%2]))
		}
		first := startPart(t, f, "near")
		tell(first, "join", 0)
		first.Expect(ok(0))
		first.Kill()
		awaitMark(t, a.cell(0))
		for _, p := range peers {
			tell(p, "join", 0)
		}
		joined := 0
		for _, p := range peers {
			switch line := p.ReadLine(); line {
			case ok(0):
				joined++
				require.Equal(t, p.PID, a.presence(0).PID())
			case "0 " + ErrBusy.Error():
			default:
				t.Fatal(line)
			}
		}
		require.Equal(t, 1, joined)
	}
}

func TestEntrustAndAdopt(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, geometry)
		p := a.presence(0)
		_, err := p.Entrust()
		require.ErrorIs(t, err, ErrBusy, "it is not ours to give")
		require.NoError(t, p.Join(t.Context()))
		word, err := p.Entrust()
		require.NoError(t, err)
		require.Equal(t, Present, StateOf(p.Word.Load()))
		require.Zero(t, p.PID(), "nobody acts in it")

		child := startPart(t, f, geometry)
		tell(child, "adopt", word)
		child.Expect(ok(word))
		require.Equal(t, child.PID, p.PID())
		require.False(t, p.Mine())
		p.Disown(word)
		p.Leave()
		require.Equal(t, child.PID, p.PID(), "what is the child's is not ours any more")
		child.Kill()
		awaitMark(t, &p.Cell)
		require.NoError(t, p.Join(t.Context()))
		p.Leave()
	})
}

func TestChildDiesBeforeItAdopts(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, geometry)
		p := a.presence(0)
		require.NoError(t, p.Join(t.Context()))
		word, err := p.Entrust()
		require.NoError(t, err)
		watch := start(func() error { return futex.Sleep(nil, &p.Word, word, nil) })
		await(t, func() bool { return sleepers(&p.Word) == 1 })
		child := startPart(t, f, geometry)
		child.Kill()
		child.Wait()
		p.Disown(word)
		require.NoError(t, result(t, watch))
		require.Equal(t, Dead, StateOf(p.Word.Load()))
		// This process lives, but nobody has to wait for it.
		heir := startPart(t, f, geometry)
		tell(heir, "join", 0)
		heir.Expect(ok(0))
		require.Equal(t, heir.PID, p.PID())
	})
}

func TestParentDiesBeforeTheChildAdopts(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, geometry)
		p := a.presence(0)
		parent := startPart(t, f, geometry)
		tell(parent, "join", 0)
		parent.Expect(ok(0))
		tell(parent, "entrust", 0)
		word, err := strconv.ParseUint(firstField(parent.ReadLine()), 10, 32)
		require.NoError(t, err)
		watch := start(func() error { return futex.Sleep(nil, &p.Word, uint32(word), p.CheckOwner) })
		await(t, func() bool { return sleepers(&p.Word) == 1 })
		parent.Kill()
		require.NoError(t, result(t, watch))
		await(t, func() bool { return p.CheckOwner() })
		child := startPart(t, f, geometry)
		tell(child, "adopt", uint32(word))
		child.Expect(ok(uint32(word)))
		require.Equal(t, child.PID, p.PID())
		require.Equal(t, Present, StateOf(p.Word.Load()))
	})
}

func firstField(s string) (f string) {
	fmt.Sscan(s, &f)
	return f
}
