package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/shm"
)

func TestMain(m *testing.M) {
	proc.Main()
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	testproc.Main(m)
}

// smallTree makes a directory with files of all kinds of sizes and returns what
// the command should say about it.
func smallTree(t *testing.T) (dir, totals string) {
	t.Helper()
	testproc.Need(t, "Linux", runtime.GOOS == "linux")
	dir = t.TempDir()
	random := rand.NewChaCha8([32]byte{1})
	sums := sha256.New()
	var files, size, lines int
	add := func(n int) {
		data := make([]byte, n)
		random.Read(data)
		// WalkDir goes by names.
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d", files)), data, 0o600))
		files++
		size += n
		lines += bytes.Count(data, []byte("\n"))
		sum := sha256.Sum256(data)
		sums.Write(sum[:])
	}
	for _, n := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 3 << 20} {
		add(n)
	}
	for range 300 {
		add(int(random.Uint64() % 5000))
	}
	require.NoError(t, os.Symlink("0001", filepath.Join(dir, "a link is not a file")))
	return dir, fmt.Sprintf("files  %d\nbytes  %d\nlines  %d\nsha256 %x\n", files, size, lines, sums.Sum(nil))
}

func TestRun(t *testing.T) {
	dir, totals := smallTree(t)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	for _, workers := range []string{"1", "3"} {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"-dir", link, "-workers", workers, "-repeat", "2", "-verify"}, &out))
		require.Contains(t, out.String(), totals)
		require.Contains(t, out.String(), "every single file")
		require.NotContains(t, out.String(), "killed")
	}
}

// The totals are right although a worker is killed in the middle.
func TestKill(t *testing.T) {
	dir, totals := smallTree(t)
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-dir", dir, "-workers", "3", "-repeat", "3", "-verify", "-kill"}, &out))
	require.Contains(t, out.String(), totals)
	require.Regexp(t, `process pipe-worker-\d+ \(pid \d+\) was killed by signal 9 \(killed\); others do the \d+ files`, out.String())
	require.Regexp(t, `process ring-worker-\d+ \(pid \d+\) was killed by signal 9 \(killed\); others do the \d+ files`, out.String())
}

// Work that nobody is left to do is an error, not a wait.
func TestAllWorkersDie(t *testing.T) {
	dir, _ := smallTree(t)
	files, err := readTree(dir)
	require.NoError(t, err)
	for name, start := range map[string]func(*job, context.Context) (*proc.Process, link, error){
		"pipes": (*job).startPipeWorker,
		"rings": (*job).startRingWorker,
	} {
		t.Run(name, func(t *testing.T) {
			results, err := shm.NewArray[Result]("", len(files), nil)
			require.NoError(t, err)
			defer results.Close()
			notes := make(chan string, 2)
			j := &job{files: files, workers: 2, results: results, progress: func() {}, note: func(s string) { notes <- s }}
			err = j.share(t.Context(), func(ctx context.Context) (*proc.Process, link, error) {
				p, l, err := start(j, ctx)
				if err == nil {
					p.Kill()
				}
				return p, l, err
			})
			require.ErrorContains(t, err, "all workers have ended")
			require.Contains(t, <-notes, "killed")
			require.Contains(t, <-notes, "killed")
		})
	}
}

// A run that cannot start leaves nothing behind.
func TestStartFails(t *testing.T) {
	dir, _ := smallTree(t)
	files, err := readTree(dir)
	require.NoError(t, err)
	j := &job{files: files, workers: 2, progress: func() {}, note: func(string) {}}
	first := true
	err = j.share(t.Context(), func(ctx context.Context) (*proc.Process, link, error) {
		if !first {
			return nil, nil, io.ErrClosedPipe
		}
		first = false
		return j.startPipeWorker(ctx)
	})
	require.ErrorIs(t, err, io.ErrClosedPipe)
	for _, p := range proc.Children() {
		<-p.Done()
	}
}

func TestBadUse(t *testing.T) {
	empty := t.TempDir()
	for want, args := range map[string][]string{
		"unexpected argument":      {"x"},
		"must be at least 1":       {"-workers", "0"},
		"needs at least 2 workers": {"-kill", "-workers", "1"},
		"no such file":             {"-dir", filepath.Join(empty, "missing")},
		"no regular files":         {"-dir", empty},
	} {
		require.ErrorContains(t, run(context.Background(), args, io.Discard), want)
	}
}

func TestQueue(t *testing.T) {
	q := newQueue(3, 2)
	take := func(worker int) int {
		file, ok := q.take(worker, nil)
		require.True(t, ok)
		return file
	}
	require.Equal(t, []int{0, 1, 2}, []int{take(0), take(1), take(0)})
	q.finish(2)
	q.finish(2) // twice changes nothing
	require.Equal(t, 1, q.leave(0))
	_, ok := q.take(0, nil)
	require.False(t, ok, "who has left gets nothing")
	require.Equal(t, 0, take(1), "what it had comes back")
	require.ErrorContains(t, q.err(), "all workers have ended")
	idle := 0
	q.finish(0)
	go q.finish(1)
	_, ok = q.take(1, func() { idle++ })
	require.False(t, ok)
	require.LessOrEqual(t, idle, 1)
	require.NoError(t, q.err())
	require.True(t, q.await(3))
}

func TestChunks(t *testing.T) {
	for _, size := range []int{0, 1, chunkSize, chunkSize + 1, 3 * chunkSize} {
		file := bytes.Repeat([]byte("line\n"), size/5+1)[:size]
		tally, header := newTally(true), make([]byte, chunkHeader)
		var got Result
		done := false
		require.NoError(t, split(7, file, func(c chunk, data []byte) error {
			require.False(t, done)
			c.put(header)
			back, err := getChunk(header)
			require.NoError(t, err)
			require.Equal(t, c, back)
			require.Len(t, data, back.size())
			got, done = tally.add(back, data)
			return nil
		}))
		require.True(t, done)
		require.Equal(t, Result{1, uint64(size), uint64(bytes.Count(file, []byte("\n"))), sha256.Sum256(file)}, got)
		i, back, err := parseResult(appendResult(nil, 7, got), 8)
		require.NoError(t, err)
		require.Equal(t, 7, i)
		require.Equal(t, got, back)
	}
	_, err := getChunk(make([]byte, chunkHeader-1))
	require.ErrorIs(t, err, errMessage)
	b := make([]byte, chunkHeader)
	chunk{offset: 2, total: 1}.put(b)
	_, err = getChunk(b)
	require.ErrorIs(t, err, errMessage)
	_, _, err = parseResult(appendResult(nil, 8, Result{}), 8)
	require.ErrorIs(t, err, errMessage)
}

func TestVerify(t *testing.T) {
	files := [][]byte{[]byte("a\n"), nil}
	tally := newTally(false)
	results := make([]Result, 2)
	for i, f := range files {
		results[i], _ = tally.add(chunk{total: uint64(len(f))}, f)
	}
	require.NoError(t, verify(results, files, false))
	wrong := slices.Clone(results)
	wrong[1].Lines++
	require.ErrorContains(t, verify(wrong, files, false), "file 1")
	require.NotEqual(t, sumUp(slices.All(results)), sumUp(slices.All(wrong)))
}

func TestBar(t *testing.T) {
	var out bytes.Buffer
	b := newBar(&out, 128)
	b.add()
	b.clear()
	require.Empty(t, out.String(), "nothing where there is no terminal")
	b.terminal = true
	for range 127 {
		b.add()
	}
	b.note("a note")
	require.Contains(t, out.String(), "\r[====================                    ]  50 %")
	require.Contains(t, out.String(), "\r\x1b[Ka note\n")
}
