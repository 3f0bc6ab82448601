package proc

import "os"

// pending reports whether Get would return at once.
func (q *queue[T]) pending() bool { return q.ring.Ready() }

// pollFile returns a descriptor that is readable when pending may be true. It is the
// queue's own, until Close.
func (q *queue[T]) pollFile() (*os.File, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, ErrClosed
	}
	if q.poll == nil {
		f, err := q.ring.PollFile()
		if err != nil {
			return nil, err
		}
		q.poll = f
	}
	return q.poll, nil
}
