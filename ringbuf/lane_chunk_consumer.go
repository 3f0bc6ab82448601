package ringbuf

import "errors"

// crossedMost is how many chunks a consumer looks at, at either end of those that the
// head has left, when it has moved the head into another, or freed one.
const crossedMost = 8

// me names this consumer in the words of chunks that it frees.
func (r *laneReceiver) me() chunkWord { return freer(r.x, r.mine) }

// crossed is called by who has moved the head of lane i into another chunk.
func (r *laneReceiver) crossed(i int) {
	r.s.reclaim(i, crossedMost, r.me())
	r.s.chunkFreed(&r.s.lanes[i]) // one more may be used again
}

// trySparse is try where others who are faster may take the memory away that this one
// reads.
func (c *laneConsumer) trySparse(dst []byte) (b []byte, found look, err error) {
	lost, err := c.brave(func() (err error) {
		b, found, err = c.try(dst)
		return err
	})
	if lost {
		b, found = dst, beaten
	}
	if found == beaten {
		c.touchUp()
	}
	return b, found, err
}

// severalSparse is several, alike.
func (c *laneConsumer) severalSparse(bufs [][]byte) (n int, err error) {
	lost, err := c.brave(func() (err error) {
		n, err = c.several(bufs)
		return err
	})
	if lost {
		n = 0
	}
	return n, err
}

// touchUp gives back the pages of holes that this end has read since it last found a
// lane, if it did.
func (c *laneConsumer) touchUp() {
	for _, at := range [...]uint64{c.faced, c.read} {
		c.s.touchUp(c.at, c.s.chunkOf(at), c.me())
	}
}

// brave runs f, which may read where there is no memory any more. Where the file system
// has none for that either, the fault says only that others were faster.
func (c *laneConsumer) brave(f func() error) (lost bool, err error) {
	if !c.guarded {
		return false, f()
	}
	err = guard(f)
	if errors.Is(err, ErrTruncated) && c.broken == nil && c.s.lanes[c.at].head.Load() != c.faced {
		return true, nil
	}
	return false, err
}
