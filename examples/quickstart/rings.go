package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/shm"
)

// Over rings, a worker is the consumer of its job ring and the producer of its
// result ring. It reads chunks where they lie in shared memory, writes the
// result of file i into slot i of the shared array, and reports i.
type ringArgs struct {
	Jobs    *ringbuf.Consumer
	Done    *ringbuf.Producer
	Results *shm.Array[Result]
	Hash    bool
}

var ringWorker = proc.Register("ring-worker", func(ctx context.Context, a ringArgs) error {
	t := newTally(a.Hash)
	results := a.Results.Slice()
	var finished []byte // numbers of files, not yet reported
	for {
		message, err := a.Jobs.TryNext()
		if errors.Is(err, ringbuf.ErrEmpty) { // about to wait for more: report first
			if err := sendReport(ctx, a.Done, &finished); err != nil {
				return err
			}
			message, err = a.Jobs.Next(ctx)
		}
		if err == io.EOF {
			return errors.Join(sendReport(ctx, a.Done, &finished), a.Done.CloseSend())
		}
		if err != nil {
			return err
		}
		c, err := getChunk(message)
		if err != nil || c.index >= uint64(len(results)) {
			return errMessage
		}
		r, done := t.add(c, message[chunkHeader:])
		a.Jobs.Release()
		if !done {
			continue
		}
		results[c.index] = r // whoever receives the number sees the slot filled
		finished = binary.LittleEndian.AppendUint64(finished, c.index)
		if len(finished) == reportSize {
			if err := sendReport(ctx, a.Done, &finished); err != nil {
				return err
			}
		}
	}
})

// reportSize is the largest message in a result ring.
const reportSize = 64 * 8

// sendReport sends the numbers of finished files, if any.
func sendReport(ctx context.Context, done *ringbuf.Producer, finished *[]byte) error {
	if len(*finished) == 0 {
		return nil
	}
	err := done.Send(ctx, *finished)
	*finished = (*finished)[:0]
	return err
}

// rings does the job over rings.
func rings(ctx context.Context, j *job) error { return j.share(ctx, j.startRingWorker) }

func (j *job) startRingWorker(ctx context.Context) (*proc.Process, link, error) {
	l := &ringLink{job: j, buffer: make([]byte, reportSize)}
	p, err := l.start(ctx)
	if err != nil {
		l.close()
		return nil, nil, err
	}
	return p, l, nil
}

// ringLink is this process's side of the two rings of a worker.
type ringLink struct {
	*job
	rings  []*ringbuf.Ring
	jobs   *ringbuf.Producer
	done   *ringbuf.Consumer
	buffer []byte
	report []byte // what is left of the last message
}

func (l *ringLink) start(ctx context.Context) (*proc.Process, error) {
	jobs, err := l.newRing(nil)
	if err != nil {
		return nil, err
	}
	done, err := l.newRing(&ringbuf.Options{Capacity: 64 << 10})
	if err != nil {
		return nil, err
	}
	args := ringArgs{Results: l.results, Hash: l.hash}
	var errs [4]error
	l.jobs, errs[0] = jobs.Producer()
	args.Jobs, errs[1] = jobs.Consumer()
	args.Done, errs[2] = done.Producer()
	l.done, errs[3] = done.Consumer()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	// The two ends among the arguments belong to the worker from here on.
	return ringWorker.Start(ctx, args, &proc.Options{Daemon: true, Cancel: ctx})
}

func (l *ringLink) newRing(o *ringbuf.Options) (*ringbuf.Ring, error) {
	r, err := ringbuf.New("", o)
	if err == nil {
		l.rings = append(l.rings, r)
	}
	return r, err
}

func (l *ringLink) send(ctx context.Context, index int) error {
	return split(index, l.files[index], func(c chunk, data []byte) error {
		room, err := l.jobs.Reserve(ctx, chunkHeader+len(data))
		if err != nil {
			return err
		}
		c.put(room)
		copy(room[chunkHeader:], data)
		return l.jobs.Commit(len(room))
	})
}

func (l *ringLink) flush() error { return nil } // Commit has published everything

func (l *ringLink) endJobs() error { return l.jobs.CloseSend() }

func (l *ringLink) receive(ctx context.Context) (int, error) {
	if len(l.report) == 0 {
		var err error
		if l.report, err = l.done.Recv(ctx, l.buffer); err != nil {
			return 0, err
		}
	}
	if len(l.report) < 8 {
		return 0, errMessage
	}
	i := binary.LittleEndian.Uint64(l.report)
	l.report = l.report[8:]
	if i >= uint64(len(l.files)) {
		return 0, errMessage
	}
	return int(i), nil
}

func (l *ringLink) close() {
	for _, r := range l.rings {
		r.Close()
	}
}
