package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"iter"
)

// Result is what is found out about one file. It has no pointers, so it can
// live in shared memory.
type Result struct {
	Done  uint64 // 1 once it is complete
	Bytes uint64
	Lines uint64
	Sum   [sha256.Size]byte // zero without hashing
}

// A tally makes the Result of one file after the other, chunk by chunk.
type tally struct {
	result Result
	hash   hash.Hash // nil: count lines only
}

func newTally(hash bool) *tally {
	if !hash {
		return &tally{}
	}
	return &tally{hash: sha256.New()}
}

// add takes in the next chunk. After the last one of a file it returns the
// result.
func (t *tally) add(c chunk, data []byte) (Result, bool) {
	if c.offset == 0 {
		t.result = Result{}
		if t.hash != nil {
			t.hash.Reset()
		}
	}
	t.result.Bytes += uint64(len(data))
	t.result.Lines += uint64(bytes.Count(data, []byte("\n")))
	if t.hash != nil {
		t.hash.Write(data)
	}
	if t.result.Bytes < c.total {
		return Result{}, false
	}
	if t.hash != nil {
		t.hash.Sum(t.result.Sum[:0])
	}
	t.result.Done = 1
	return t.result, true
}

// Totals sum up the results of all files. They can be compared with ==.
type Totals struct {
	Files, Bytes, Lines uint64
	Sum                 [sha256.Size]byte // of all files' sums
}

func sumUp(results iter.Seq2[int, Result]) Totals {
	var t Totals
	all := sha256.New()
	for _, r := range results {
		t.Files += r.Done
		t.Bytes += r.Bytes
		t.Lines += r.Lines
		all.Write(r.Sum[:])
	}
	all.Sum(t.Sum[:0])
	return t
}

// verify computes each result once more.
func verify(results []Result, files [][]byte, hash bool) error {
	t := newTally(hash)
	for i, data := range files {
		want, _ := t.add(chunk{total: uint64(len(data))}, data)
		if results[i] != want {
			return fmt.Errorf("file %d: got %+v, want %+v", i, results[i], want)
		}
	}
	return nil
}

// resultSize is the length of a Result as the pipes carry it, behind the number
// of its file.
const resultSize = 8 + 8 + 8 + sha256.Size

func appendResult(b []byte, index int, r Result) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(index))
	b = binary.LittleEndian.AppendUint64(b, r.Bytes)
	b = binary.LittleEndian.AppendUint64(b, r.Lines)
	return append(b, r.Sum[:]...)
}

var errMessage = errors.New("malformed message")

// parseResult is appendResult in reverse, for a number of files.
func parseResult(b []byte, files int) (index int, r Result, err error) {
	i := binary.LittleEndian.Uint64(b)
	if i >= uint64(files) {
		return 0, r, errMessage
	}
	r = Result{Done: 1, Bytes: binary.LittleEndian.Uint64(b[8:]), Lines: binary.LittleEndian.Uint64(b[16:])}
	copy(r.Sum[:], b[24:])
	return int(i), r, nil
}
