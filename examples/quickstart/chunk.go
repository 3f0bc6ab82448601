package main

import "encoding/binary"

// Files may be larger than a ring, so they travel as a sequence of chunks: a
// header and up to chunkSize bytes of the file. An empty file is one chunk
// without bytes.
const (
	chunkHeader = 24
	chunkSize   = 64 << 10
)

type chunk struct {
	index  uint64 // number of the file
	offset uint64 // of this chunk in the file
	total  uint64 // size of the file
}

// size is how many of the file's bytes come with the chunk.
func (c chunk) size() int { return int(min(chunkSize, c.total-c.offset)) }

func (c chunk) put(b []byte) {
	binary.LittleEndian.PutUint64(b, c.index)
	binary.LittleEndian.PutUint64(b[8:], c.offset)
	binary.LittleEndian.PutUint64(b[16:], c.total)
}

// getChunk reads a header.
func getChunk(b []byte) (c chunk, err error) {
	if len(b) < chunkHeader {
		return c, errMessage
	}
	c.index = binary.LittleEndian.Uint64(b)
	c.offset = binary.LittleEndian.Uint64(b[8:])
	c.total = binary.LittleEndian.Uint64(b[16:])
	if c.offset > c.total {
		return c, errMessage
	}
	return c, nil
}

// split calls send for each chunk of a file.
func split(index int, file []byte, send func(chunk, []byte) error) error {
	c := chunk{index: uint64(index), total: uint64(len(file))}
	for {
		part := file[c.offset:][:c.size()]
		if err := send(c, part); err != nil {
			return err
		}
		c.offset += uint64(len(part))
		if c.offset == c.total {
			return nil
		}
	}
}
