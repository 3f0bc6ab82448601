package handle

import "os"

// A Table is a list of handles in a form that goes into a message, without their
// files, which go beside it.
type Table []Entry

// Entry is a Handle whose file is a place in a list of files, -1 for none.
type Entry struct {
	Kind string
	Name string
	Meta []byte
	File int
}

// NewTable returns the table of hs, and their files, each once.
func NewTable(hs []Handle) (t Table, files []*os.File) {
	place := make(map[*os.File]int)
	for _, h := range hs {
		e := Entry{Kind: h.Kind, Name: h.Name, Meta: h.Meta, File: -1}
		if h.File != nil {
			i, ok := place[h.File]
			if !ok {
				i = len(files)
				place[h.File] = i
				files = append(files, h.File)
			}
			e.File = i
		}
		t = append(t, e)
	}
	return t, files
}

// Handles is NewTable in reverse, for Decode. Several may share a file.
func (t Table) Handles(files []*os.File) ([]Handle, error) {
	hs := make([]Handle, 0, len(t))
	for _, e := range t {
		h := Handle{Kind: e.Kind, Name: e.Name, Meta: e.Meta}
		if e.File >= len(files) {
			return nil, ErrReference
		}
		if e.File >= 0 {
			h.File = files[e.File]
		}
		hs = append(hs, h)
	}
	return hs, nil
}

// Gone is Handles without the files: Get returns ErrGone for those that had one.
func (t Table) Gone() []Handle {
	hs := make([]Handle, 0, len(t))
	for _, e := range t {
		hs = append(hs, Handle{Kind: e.Kind, Name: e.Name, Meta: e.Meta, gone: e.File >= 0})
	}
	return hs
}
