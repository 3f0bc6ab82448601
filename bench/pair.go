package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"

	"github.com/shmkit/shmkit/ringbuf"
)

// pair is a contender in Go: processes of this program, one side a and as many
// sides b as the job wants, none if there is no b. Side a measures, and is done
// when it returns; a side b serves and is killed then, if it has not ended
// itself.
type pair struct {
	name string
	a, b func(o *order) (*outcome, error)
	link func(o *order) (*link, error) // makes what connects them; may be nil
	wrap func(cmd *exec.Cmd)           // changes how side a is started; may be nil
	late bool                          // side a binds itself, when it has started others
}

func (p *pair) missing(*rig) string { return "" }

var errPeerLeft = errors.New("the serving side ended too early")

func (p *pair) run(ctx context.Context, r *rig, t trial) (_ *outcome, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, stop := context.WithTimeout(ctx, watchdog)
	defer stop()
	o := order{Contender: p.name, Job: t.job, Size: t.size, Timing: t.timing}
	l := &link{}
	if p.link != nil {
		if l, err = p.link(&o); err != nil {
			return nil, err
		}
	}
	defer l.unlink()
	defer l.close()
	a, err := p.start(ctx, r, o, 0, t.place, l.a)
	if err != nil {
		return nil, err
	}
	others := sides(t.job) - 1
	if p.b == nil {
		others = 0
	}
	var serving sync.WaitGroup
	for i := range others {
		b, err := p.start(ctx, r, o, 1+i, t.place, l.b)
		if err != nil {
			cancel(err) // which a.result returns
			break
		}
		serving.Go(func() {
			if err := b.cmd.Wait(); err != nil {
				cancel(fmt.Errorf("%w: %w: %s", errPeerLeft, err, bytes.TrimSpace(b.stderr.Bytes())))
			}
		})
	}
	l.close() // so that a side hears it when the other one ends
	out, err := a.result(ctx)
	cancel(nil)
	serving.Wait()
	return out, err
}

// peer is one running side.
type peer struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

// start starts one side: number 0 is a.
func (p *pair) start(ctx context.Context, r *rig, o order, number int, at placement, files []*os.File) (*peer, error) {
	side, cpu := "a", at.cpuA
	if number > 0 {
		side, cpu = "b", at.cpuB
	}
	o.Side, o.Number, o.CPU, o.Other = side, number, -1, -1
	if at.name == diffCores {
		// Bound from the first instruction, a side would believe in a machine with
		// one processor, and not spin.
		o.CPU, o.Other, cpu = cpu, at.cpuB, -1
	}
	arg, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	s := &peer{cmd: exec.CommandContext(ctx, r.self, peerCommand, string(arg))}
	if p.wrap != nil {
		p.wrap(s.cmd)
	}
	s.cmd.ExtraFiles = files
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	if err := r.start(s.cmd, cpu); err != nil {
		return nil, fmt.Errorf("start side %s: %w", side, err)
	}
	return s, nil
}

// result waits for the measuring side. When it failed because ctx ended, the
// error says why ctx did.
func (s *peer) result(ctx context.Context) (*outcome, error) {
	if err := s.cmd.Wait(); err != nil {
		if why := context.Cause(ctx); why != nil {
			return nil, why
		}
		return nil, fmt.Errorf("the measuring side failed: %w: %s", err, bytes.TrimSpace(s.stderr.Bytes()))
	}
	return readOutcome(&s.stdout)
}

// link is what connects two sides: descriptors for each.
type link struct {
	a, b  []*os.File
	extra io.Closer // what they belong to; nil if they are to be closed themselves
	name  string    // of an object of package ringbuf, made by a side; may be ""
	undo  func()    // called when all sides have ended; may be nil
}

// close closes the parent's copies. It may be called again.
func (l *link) close() {
	if l.extra != nil {
		_ = l.extra.Close()
		return
	}
	for _, f := range slices.Concat(l.a, l.b) {
		_ = f.Close()
	}
}

// unlink removes what a side that was killed left behind.
func (l *link) unlink() {
	if l.name != "" {
		_ = ringbuf.Unlink(l.name)
	}
	if l.undo != nil {
		l.undo()
	}
}
