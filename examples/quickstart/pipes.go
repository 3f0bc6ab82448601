package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"

	"github.com/shmkit/shmkit/proc"
)

// Over pipes, a worker reads chunks from its standard input and writes results
// to its standard output. Both sides buffer, so that small files do not cost a
// system call each.
const pipeBuffer = 64 << 10

var pipeWorker = proc.Register("pipe-worker", func(_ context.Context, hash bool) error {
	in := bufio.NewReaderSize(os.Stdin, pipeBuffer)
	out := bufio.NewWriterSize(os.Stdout, pipeBuffer)
	t := newTally(hash)
	header, data, result := make([]byte, chunkHeader), make([]byte, chunkSize), make([]byte, 0, resultSize)
	for {
		if in.Buffered() == 0 { // about to wait for more: hand over what there is
			if err := out.Flush(); err != nil {
				return err
			}
		}
		if _, err := io.ReadFull(in, header); err != nil {
			if err == io.EOF {
				return out.Flush()
			}
			return err
		}
		c, err := getChunk(header)
		if err != nil {
			return err
		}
		data := data[:c.size()]
		if _, err := io.ReadFull(in, data); err != nil {
			return err
		}
		if r, done := t.add(c, data); done {
			if _, err := out.Write(appendResult(result, int(c.index), r)); err != nil {
				return err
			}
		}
	}
})

// pipes does the job over pipes.
func pipes(ctx context.Context, j *job) error { return j.share(ctx, j.startPipeWorker) }

func (j *job) startPipeWorker(ctx context.Context) (*proc.Process, link, error) {
	jobsR, jobsW, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer jobsR.Close()
	doneR, doneW, err := os.Pipe()
	if err != nil {
		jobsW.Close()
		return nil, nil, err
	}
	defer doneW.Close()
	l := &pipeLink{
		job:     j,
		jobs:    jobsW,
		writer:  bufio.NewWriterSize(jobsW, pipeBuffer),
		done:    doneR,
		reader:  bufio.NewReaderSize(doneR, pipeBuffer),
		header:  make([]byte, chunkHeader),
		message: make([]byte, resultSize),
	}
	p, err := pipeWorker.Start(ctx, j.hash, &proc.Options{
		Stdin: jobsR, Stdout: doneW, Daemon: true, Cancel: ctx,
	})
	if err != nil {
		l.close()
		return nil, nil, err
	}
	return p, l, nil
}

// pipeLink is this process's side of the two pipes of a worker.
type pipeLink struct {
	*job
	jobs            *os.File
	writer          *bufio.Writer
	done            *os.File
	reader          *bufio.Reader
	header, message []byte
}

func (l *pipeLink) send(_ context.Context, index int) error {
	return split(index, l.files[index], func(c chunk, data []byte) error {
		c.put(l.header)
		if _, err := l.writer.Write(l.header); err != nil {
			return err
		}
		_, err := l.writer.Write(data)
		return err
	})
}

func (l *pipeLink) flush() error { return l.writer.Flush() }

func (l *pipeLink) endJobs() error { return errors.Join(l.writer.Flush(), l.jobs.Close()) }

func (l *pipeLink) receive(context.Context) (int, error) {
	if _, err := io.ReadFull(l.reader, l.message); err != nil {
		return 0, err
	}
	i, r, err := parseResult(l.message, len(l.files))
	if err == nil {
		l.results.Slice()[i] = r
	}
	return i, err
}

func (l *pipeLink) close() {
	l.jobs.Close()
	l.done.Close()
}
