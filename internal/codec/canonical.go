package codec

import "encoding/binary"

// MarshalCanonical is Marshal in the one form that RFC 8949, 4.2.1 calls deterministic: equal
// values give equal bytes, integers of every width as well as floats of both. All that are
// no numbers are one; the two zeros are not.
func MarshalCanonical(v any) ([]byte, error) { return canonMode.Marshal(v) }

// MarshalKey is MarshalCanonical for keys: the two zeros are one as well, as they are for
// Go's ==, wherever in the value.
func MarshalKey(v any) ([]byte, error) {
	data, err := canonMode.Marshal(v)
	if err == nil {
		dropSigns(data)
	}
	return data, err
}

// dropSigns makes a 0.0 of each -0.0, which the canonical form writes as f98000. Items
// follow each other, whatever they are in: only the contents of strings have to be skipped.
func dropSigns(b []byte) {
	for len(b) > 0 {
		major, info := b[0]>>5, b[0]&31
		n, length := 1, uint64(info)
		if info >= 24 && info <= 27 {
			n += 1 << (info - 24)
			if n > len(b) {
				return
			}
			var wide [8]byte
			copy(wide[8-n+1:], b[1:n])
			length = binary.BigEndian.Uint64(wide[:])
		}
		switch {
		case b[0] == 0xf9 && length == 0x8000:
			b[1] = 0
		case (major == 2 || major == 3) && info < 28:
			if length > uint64(len(b)-n) {
				return
			}
			n += int(length)
		}
		b = b[n:]
	}
}
