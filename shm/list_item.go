package shm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The codes of items, which say what to make of their bytes.
const (
	codeNumber = 0
	codeString = 1
	codeBytes  = 2
	codeNil    = 3
)

const (
	formatInt   = "q"
	formatFloat = "d"
	formatBool  = "xxxxxxx?"
	formatNil   = "xxxxxx?x"
)

// mostText is the longest string: Python has 8 characters for the format.
const mostText = 9_999_992 - 1

// packed is an item as it lies in a list.
type packed struct {
	kind  string // the format, but "" for text
	code  byte
	bytes []byte // 8 of them, or a text's
}

func number(kind string, code byte, word uint64) packed {
	return packed{kind, code, binary.LittleEndian.AppendUint64(nil, word)}
}

// pack checks a value and packs it.
func pack(v any) (packed, error) {
	r := reflect.ValueOf(v)
	switch {
	case v == nil:
		return number(formatNil, codeNil, 0), nil
	case r.CanInt():
		return number(formatInt, codeNumber, uint64(r.Int())), nil
	case r.CanUint() && r.Kind() != reflect.Uintptr:
		if r.Uint() > math.MaxInt64 {
			return packed{}, fmt.Errorf("%w: %d is more than an int64", ErrValue, v)
		}
		return number(formatInt, codeNumber, r.Uint()), nil
	case r.CanFloat():
		return number(formatFloat, codeNumber, math.Float64bits(r.Float())), nil
	case r.Kind() == reflect.Bool:
		word := uint64(0)
		if r.Bool() {
			word = 1 << 56
		}
		return number(formatBool, codeNumber, word), nil
	case r.Kind() == reflect.String:
		if !utf8.ValidString(r.String()) {
			return packed{}, fmt.Errorf("%w: a string that is not UTF-8", ErrValue)
		}
		return text(codeString, []byte(r.String()))
	case r.Kind() == reflect.Slice && r.Type().Elem().Kind() == reflect.Uint8:
		return text(codeBytes, r.Bytes())
	}
	return packed{}, fmt.Errorf("%w: a %T", ErrValue, v)
}

func text(code byte, b []byte) (packed, error) {
	if len(b) > mostText {
		return packed{}, fmt.Errorf("%w: %d bytes, the most is %d", ErrTooLong, len(b), mostText)
	}
	if bytes.HasSuffix(b, []byte{0}) {
		return packed{}, fmt.Errorf("%w: it ends with a NUL, which a list does not keep", ErrValue)
	}
	return packed{code: code, bytes: b}, nil
}

// slot is the size of the slot that Python makes for the item, but counted in
// bytes, not characters.
func (p packed) slot() int {
	if p.kind != "" {
		return 8
	}
	return 8 * (len(p.bytes)/8 + 1)
}

// format is the item's format in a slot of size bytes.
func (p packed) format(size int) string {
	if p.kind != "" {
		return p.kind
	}
	return strconv.Itoa(size) + "s"
}

// fits says why the item cannot go into a slot of size bytes.
func (p packed) fits(size int) error {
	switch {
	case p.kind != "" && size < 8:
		return fmt.Errorf("%w: a slot of %d bytes", ErrCorrupt, size)
	case len(p.bytes) > size:
		return fmt.Errorf("%w: %d bytes, its slot has %d", ErrTooLong, len(p.bytes), size)
	case len(p.format(size)) > 8:
		return fmt.Errorf("%w: a slot of %d bytes", ErrCorrupt, size)
	}
	return nil
}

// width is how many bytes an item of a format has, which must be one that goes
// with the code.
func width(format string, code byte) (int, error) {
	switch {
	case code == codeNil && format == formatNil,
		code == codeNumber && (format == formatInt || format == formatFloat || format == formatBool):
		return 8, nil
	case code == codeString || code == codeBytes:
		digits, isText := strings.CutSuffix(format, "s")
		n, err := strconv.ParseUint(digits, 10, 31)
		if isText && err == nil && strconv.FormatUint(n, 10) == digits {
			return int(n), nil
		}
	}
	return 0, fmt.Errorf("%w: format %q with code %d", ErrCorrupt, format, code)
}

// unpack makes a value of an item's bytes, which it may keep. Format and code
// have passed width.
func unpack(format string, code byte, b []byte) (any, error) {
	switch code {
	case codeNil:
		return nil, nil
	case codeString, codeBytes:
		b = bytes.TrimRight(b, "\x00")
		if code == codeBytes {
			return b, nil
		}
		if !utf8.Valid(b) {
			return nil, fmt.Errorf("%w: a string that is not UTF-8: %q", ErrCorrupt, b)
		}
		return string(b), nil
	}
	word := binary.LittleEndian.Uint64(b)
	switch format {
	case formatInt:
		return int64(word), nil
	case formatFloat:
		return math.Float64frombits(word), nil
	}
	return word>>56 != 0, nil
}
