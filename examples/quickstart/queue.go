package main

import (
	"errors"
	"sync"
	"time"
)

// queue hands the files out to workers, and takes back what a worker that has
// ended leaves behind. It is safe for concurrent use.
type queue struct {
	mu        sync.Mutex
	changed   sync.Cond
	next      int   // files from here on have never been handed out
	again     []int // files that came back
	holder    []int // who has a file: nobody, a worker's number, or finished
	finished  int
	milestone int // somebody awaits that many finished
	working   map[int]bool
	ended     time.Time // when the last file was finished
}

// Not the number of a worker.
const (
	nobody   = -1
	finished = -2
)

func newQueue(files, workers int) *queue {
	q := &queue{holder: make([]int, files), working: make(map[int]bool)}
	q.changed.L = &q.mu
	for i := range q.holder {
		q.holder[i] = nobody
	}
	for w := range workers {
		q.working[w] = true
	}
	return q
}

// take gives the worker a file. When none is left it calls idle, if not nil, and
// waits for one to come back. It reports false when all are finished, or the
// worker has left.
func (q *queue) take(worker int, idle func()) (file int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch n := len(q.again); {
		case q.finished == len(q.holder) || !q.working[worker]:
			return 0, false
		case n > 0:
			file, q.again = q.again[n-1], q.again[:n-1]
		case q.next < len(q.holder):
			file = q.next
			q.next++
		default:
			if idle != nil {
				q.mu.Unlock()
				idle()
				idle = nil
				q.mu.Lock()
				continue
			}
			q.changed.Wait()
			continue
		}
		q.holder[file] = worker
		return file, true
	}
}

// finish records that a file is finished.
func (q *queue) finish(file int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.holder[file] == finished {
		return
	}
	q.holder[file] = finished
	q.finished++
	if q.finished == len(q.holder) {
		q.ended = time.Now()
		q.changed.Broadcast()
	} else if q.finished == q.milestone {
		q.changed.Broadcast()
	}
}

// await waits until n files are finished. It reports false if that will not
// happen.
func (q *queue) await(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.milestone = n
	for q.finished < n && len(q.working) > 0 {
		q.changed.Wait()
	}
	return q.finished >= n
}

// leave takes back what the worker has not finished, and returns how many files
// that are. It must not finish any afterwards.
func (q *queue) leave(worker int) (unfinished int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.working, worker)
	for file, w := range q.holder {
		if w == worker {
			q.holder[file] = nobody
			q.again = append(q.again, file)
			unfinished++
		}
	}
	q.changed.Broadcast()
	return unfinished
}

// err says whether work is left that nobody will do.
func (q *queue) err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.finished < len(q.holder) {
		return errors.New("all workers have ended before the work was done")
	}
	return nil
}
