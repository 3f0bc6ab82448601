package shmfile_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
)

// The stress test: several processes do all there is to do with a few names, and
// are killed and stopped. The names that begin with "users" are removed by nobody on
// purpose: so who has one of those open, and is not replaced (that is refused), finds
// it under its name.
var _ = testproc.Helper("stressed", func(c *testproc.Child) {
	seed, err := strconv.ParseUint(c.Args[1], 10, 64)
	require.NoError(c, err)
	s := stressed{c: c, rand: rand.New(rand.NewPCG(seed, 0)), part: c.Args[0]}
	for {
		s.step()
	}
})

type stressed struct {
	c    *testproc.Child
	rand *rand.Rand
	part string
	have []*os.File
}

func (s *stressed) step() {
	n := s.rand.IntN(6)
	name, owner := fmt.Sprint(s.part, "users", n%3), shmfile.OwnerUsers
	if n >= 4 {
		name, owner = fmt.Sprint(s.part, "any", n), shmfile.Owner(s.rand.IntN(3))
	}
	switch do := s.rand.IntN(20); {
	case do < 6:
		f, _, err := shmfile.Create(name, 100, shmfile.Options{Owner: owner, Exist: shmfile.Exist(s.rand.IntN(3))})
		s.got(f, err)
	case do < 10:
		f, err := shmfile.Open(context.Background(), name, shmfile.OpenOptions{ReadOnly: do == 7})
		s.got(f, err)
	case do < 14 && len(s.have) > 0:
		require.NoError(s.c, shmfile.Close(s.take()))
	case do < 15 && len(s.have) > 0:
		shmfile.Abandon(s.take())
	case do < 16 && len(s.have) > 0:
		f := s.take() // as if it had arrived
		name := f.Name()[len(shmDir):]
		s.have = append(s.have, shmfile.Adopt(f, name))
		if s.have[len(s.have)-1] != f {
			_ = shmfile.Close(f) // forgets it
		}
	case do < 17:
		_, err := shmfile.Sweep(&shmfile.SweepOptions{Match: func(i shmfile.Info) bool { return i.Name == name }})
		require.NoError(s.c, err)
	case do < 18:
		shmfile.Stat(name)
	case do < 19 && n >= 4:
		if err := shmfile.Unlink(name); !errors.Is(err, shmfile.ErrNotExist) && !errors.Is(err, shmfile.ErrBusy) {
			require.NoError(s.c, err)
		}
	}
	for _, f := range s.have {
		s.check(f)
	}
}

func (s *stressed) got(f *os.File, err error) {
	if err == nil {
		s.have = append(s.have, f)
		if len(s.have) > 5 {
			require.NoError(s.c, shmfile.Close(s.take()))
		}
		return
	}
	for _, ok := range []error{shmfile.ErrExist, shmfile.ErrNotExist, shmfile.ErrBusy} {
		if errors.Is(err, ok) {
			return
		}
	}
	require.NoError(s.c, err)
}

func (s *stressed) take() *os.File {
	i := s.rand.IntN(len(s.have))
	f := s.have[i]
	s.have = append(s.have[:i], s.have[i+1:]...)
	return f
}

// check holds that what this process uses has its name.
func (s *stressed) check(f *os.File) {
	if f.Name()[len(shmDir)+len(s.part)] != 'u' {
		return
	}
	own, err := f.Stat()
	require.NoError(s.c, err)
	named, err := os.Lstat(f.Name())
	require.NoError(s.c, err, "the name of what is in use was removed")
	require.True(s.c, os.SameFile(own, named), "%s is another object than the one in use", f.Name())
}

func TestStress(t *testing.T) {
	const workers = 4
	last := time.Second
	if testing.Short() {
		last = 200 * time.Millisecond
	}
	part := testproc.Name(t)
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	start := func() *testproc.Proc {
		return testproc.Start(t, "stressed", testproc.Args(part, fmt.Sprint(r.Uint64())))
	}
	end := func(p *testproc.Proc) {
		p.Cont()
		p.Kill()
		p.Wait()
		require.Equal(t, "signal: killed", p.Cmd.ProcessState.String(), "%s", p.Stderr())
	}
	var procs []*testproc.Proc
	for range workers {
		procs = append(procs, start())
	}
	kills := 0
	for began := time.Now(); time.Since(began) < last; kills++ {
		time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond) // sleep: between two deaths, at any instant
		i := r.IntN(workers)
		if r.IntN(4) == 0 {
			procs[i].Stop()
			time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond) // sleep: stopped for a while
			procs[i].Cont()
			continue
		}
		end(procs[i])
		procs[i] = start()
	}
	for _, p := range procs {
		end(p)
	}
	t.Logf("%d kills and stops", kills)
	for _, i := range sweep(t, part, false) {
		require.NoError(t, i.Err)
	}
	for _, i := range list(t, part) {
		require.Equal(t, shmfile.OwnerNone, i.Owner, "%+v", i)
		require.NoError(t, shmfile.Unlink(i.Name))
	}
}
