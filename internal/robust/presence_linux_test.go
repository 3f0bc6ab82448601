//go:build !explore

package robust

import (
	"context"
	"fmt"
	"os"
	"testing"

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
		var trust Trust
		if n, _ := fmt.Sscan(c.ReadLine(), &cmd, &trust.Word, &trust.Arrivals); n == 0 {
			continue
		}
		switch cmd {
		case "join":
			err = p.Join(context.Background())
		case "leave":
			p.Leave()
		case "entrust":
			trust, err = p.Entrust()
		case "adopt":
			err = p.Adopt(context.Background(), trust)
		}
		c.WriteLine("%d %d %v", trust.Word, trust.Arrivals, err)
	}
})

func startPart(t *testing.T, f *os.File, geometry string) *testproc.Proc {
	return testproc.Start(t, "part", testproc.Files(f), testproc.Args(geometry))
}

func tell(p *testproc.Proc, cmd string, trust Trust) {
	p.WriteLine("%s %d %d", cmd, trust.Word, trust.Arrivals)
}

func says(trust Trust, err error) string {
	return fmt.Sprintf("%d %d %v", trust.Word, trust.Arrivals, err)
}

func TestPresence(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, geometry)
		p := a.presence(0)
		require.Equal(t, Vacant, StateOf(p.Word.Load()))
		require.Zero(t, p.PID())
		p.Leave() // nothing
		require.NoError(t, p.Join(t.Context()))
		require.Equal(t, Present, StateOf(p.Word.Load()))
		require.Equal(t, os.Getpid(), p.PID())
		require.ErrorIs(t, p.Join(t.Context()), ErrBusy, "this process takes part already")
		other := startPart(t, f, geometry)
		tell(other, "join", Trust{})
		other.Expect(says(Trust{}, ErrBusy))
		tell(other, "leave", Trust{}) // not its own
		other.Expect(says(Trust{}, nil))
		require.True(t, p.Mine())
		p.Leave()
		require.Equal(t, Vacant, StateOf(p.Word.Load()))
		require.Zero(t, p.PID())
		tell(other, "join", Trust{})
		other.Expect(says(Trust{}, nil))
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
		tell(peer, "join", Trust{})
		peer.Expect(says(Trust{}, nil))
		seen := p.Word.Load()
		sleep := func() <-chan error {
			return start(func() error {
				for data.Load() == 0 {
					word, same := p.Watch(seen)
					if !same {
						return nil
					}
					if err := futex.SleepAny(context.Background(), []futex.Word{{Addr: data}, {Addr: &p.Word, Val: word}}, p.CheckOwner); err != nil {
						return err
					}
				}
				return nil
			})
		}
		// The kernel wakes one; all learn.
		done := []<-chan error{sleep(), sleep(), sleep()}
		await(t, func() bool { return sleepers(&p.Word) == 3 })
		require.NotZero(t, p.Word.Load()&Waiters)
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

// Whoever takes part wakes those who watch, and goes on taking part.
func TestRouse(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, _ := newArea(t, 4096, geometry)
		p := a.presence(0)
		_, same := p.Watch(5)
		require.False(t, same)
		require.NoError(t, p.Join(t.Context()))
		seen := p.Word.Load()
		word, same := p.Watch(seen)
		require.True(t, same)
		require.Equal(t, seen|Waiters, word)
		p.Unwatch(word)
		require.Equal(t, seen, p.Word.Load())
		word, _ = p.Watch(seen)
		var done []<-chan error
		for range 3 {
			done = append(done, start(func() error {
				return futex.SleepAny(context.Background(), []futex.Word{{Addr: &p.Word, Val: word}}, nil)
			}))
		}
		await(t, func() bool { return sleepers(&p.Word) == 3 })
		p.Rouse()
		for _, d := range done {
			require.NoError(t, result(t, d))
		}
		require.Equal(t, seen, p.Word.Load())
		require.True(t, p.Mine())
		p.Leave()
		require.Zero(t, p.Word.Load())
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
				if err := futex.Sleep(context.Background(), &p.Word, word, nil); err != nil {
					return err
				}
			}
			return nil
		})
		await(t, func() bool { return sleepers(&p.Word) == 1 })
		tell(peer, cmd, Trust{})
		peer.Expect(says(Trust{}, nil))
		require.NoError(t, result(t, done))
	}
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
		tell(first, "join", Trust{})
		first.Expect(says(Trust{}, nil))
		first.Kill()
		awaitMark(t, a.cell(0))
		for _, p := range peers {
			tell(p, "join", Trust{})
		}
		joined := 0
		for _, p := range peers {
			switch line := p.ReadLine(); line {
			case says(Trust{}, nil):
				joined++
				require.Equal(t, p.PID, a.presence(0).PID())
			case says(Trust{}, ErrBusy):
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
		trust, err := p.Entrust()
		require.NoError(t, err)
		require.Equal(t, Present, StateOf(p.Word.Load()))
		require.ErrorIs(t, p.Join(t.Context()), ErrBusy)

		child := startPart(t, f, geometry)
		tell(child, "adopt", trust)
		child.Expect(says(trust, nil))
		require.Equal(t, child.PID, p.PID())
		require.False(t, p.Mine())
		p.Disown(trust)
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
		trust, err := p.Entrust()
		require.NoError(t, err)
		word, same := p.Watch(trust.Word)
		require.True(t, same)
		watch := start(func() error { return futex.Sleep(context.Background(), &p.Word, word, nil) })
		await(t, func() bool { return sleepers(&p.Word) == 1 })
		child := startPart(t, f, geometry)
		child.Kill()
		child.Wait()
		p.Disown(trust)
		require.NoError(t, result(t, watch))
		require.Equal(t, Dead, StateOf(p.Word.Load()))
		// This process lives, but nobody has to wait for it.
		heir := startPart(t, f, geometry)
		tell(heir, "join", Trust{})
		heir.Expect(says(Trust{}, nil))
		require.Equal(t, heir.PID, p.PID())
	})
}

func TestParentDiesBeforeTheChildAdopts(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, geometry)
		p := a.presence(0)
		parent := startPart(t, f, geometry)
		tell(parent, "join", Trust{})
		parent.Expect(says(Trust{}, nil))
		tell(parent, "entrust", Trust{})
		var trust Trust
		_, err := fmt.Sscan(parent.ReadLine(), &trust.Word, &trust.Arrivals)
		require.NoError(t, err)
		word, same := p.Watch(trust.Word)
		require.True(t, same)
		watch := start(func() error { return futex.Sleep(context.Background(), &p.Word, word, p.CheckOwner) })
		await(t, func() bool { return sleepers(&p.Word) == 1 })
		parent.Kill()
		require.NoError(t, result(t, watch))
		await(t, func() bool { return p.CheckOwner() })
		child := startPart(t, f, geometry)
		tell(child, "adopt", trust)
		child.Expect(says(trust, nil))
		require.Equal(t, child.PID, p.PID())
		require.Equal(t, Present, StateOf(p.Word.Load()))
	})
}

// What was entrusted comes back if the child is never started, and only then.
func TestReclaim(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, geometry)
		p := a.presence(0)
		require.NoError(t, p.Join(t.Context()))
		trust, err := p.Entrust()
		require.NoError(t, err)
		require.NoError(t, p.Reclaim(trust))
		require.True(t, p.Mine())
		require.ErrorIs(t, p.Reclaim(trust), ErrBusy, "twice")
		p.Disown(trust)
		require.Equal(t, Present, StateOf(p.Word.Load()), "an old trust is of no use")

		next, err := p.Entrust()
		require.NoError(t, err)
		child := startPart(t, f, geometry)
		tell(child, "adopt", trust) // the old one
		child.Expect(says(trust, ErrBusy))
		tell(child, "adopt", next)
		child.Expect(says(next, nil))
		require.ErrorIs(t, p.Reclaim(next), ErrBusy)
		child.Kill()
		awaitMark(t, &p.Cell)
		p.Disown(next)
		require.NoError(t, p.Join(t.Context()))
		p.Leave()
		require.Equal(t, Vacant, StateOf(p.Word.Load()))
	})
}
