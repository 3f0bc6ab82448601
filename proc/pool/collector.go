package pool

import (
	"time"

	"github.com/shmkit/shmkit/internal/futex"
)

// await makes somebody wait for answers: the collector, a goroutine that sleeps on the
// bell while answers are expected, in one system call whatever the number of workers.
func (c *core) await() {
	if !c.collecting {
		c.collecting = true
		go c.collect()
	}
	if c.expected == 1 {
		c.collected.Broadcast()
	}
}

func (c *core) collect() {
	var spin futex.Spinner
	c.board.bell.awake.Store(1)
	for {
		c.mu.Lock()
		for c.expected == 0 && !c.finished {
			c.board.bell.awake.Store(0)
			c.collected.Wait()
			c.board.bell.awake.Store(1)
		}
		over := c.finished
		c.mu.Unlock()
		if over {
			c.bury()
			return
		}
		if c.gather() {
			continue
		}
		if !c.opts.Block && c.board.spin(&spin, c.board.anyRung) {
			continue
		}
		began := time.Now()
		c.board.sleep(&c.poked)
		spin.Slept(time.Since(began))
	}
}

// poke makes the collector look again whether it is needed.
func (c *core) poke() {
	c.poked.Store(true)
	c.board.wake()
}

// gather reads the answers of all workers who rang.
func (c *core) gather() (any bool) {
	for i := range c.board.desks {
		d := &c.board.desks[i]
		if d.rung.Load() == 0 { // acquire: rung
			continue
		}
		any = true
		d.rung.Store(0) // what is published from now on is rung for again
		if w := c.at[i].Load(); w != nil {
			c.read(w)
		}
	}
	return any
}

// read reads all answers of a worker.
func (c *core) read(w *worker) {
	w.rx.Lock()
	defer w.rx.Unlock()
	for {
		msg, err := w.answers.TryNext()
		if err != nil {
			return // there are none; or the worker has ended, for which lost is there
		}
		w.sent.Acquire()
		a, err := parseAnswer(msg)
		if err == nil {
			err = c.hear(w, a)
		}
		w.answers.Release()
		if err != nil {
			w.process.Kill() // it is out of its mind
			return
		}
	}
}
