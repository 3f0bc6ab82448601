//go:build linux && (amd64 || arm64)

package shmfile

import "unsafe"

// The table in layout.go and the struct agree, or this does not compile.
const (
	_ = -(magicOffset ^ unsafe.Offsetof(header{}.Magic))
	_ = -(versionOffset ^ unsafe.Offsetof(header{}.Version))
	_ = -(kindOffset ^ unsafe.Offsetof(header{}.Kind))
	_ = -(fingerprintOffset ^ unsafe.Offsetof(header{}.Fingerprint))
	_ = -(sizeOffset ^ unsafe.Offsetof(header{}.Size))
	_ = -(sizesOffset ^ unsafe.Offsetof(header{}.Sizes))
	_ = -(namespaceOffset ^ unsafe.Offsetof(header{}.Namespace))
	_ = -(idOffset ^ unsafe.Offsetof(header{}.ID))
	_ = -(creatorOffset ^ unsafe.Offsetof(header{}.Creator))
	_ = -(startedOffset ^ unsafe.Offsetof(header{}.Started))
	_ = -(aboutOffset ^ unsafe.Offsetof(header{}.About))
	_ = -(aboutSizeOffset ^ unsafe.Offsetof(header{}.AboutSize))
	_ = -(reservedOffset ^ unsafe.Offsetof(header{}.Reserved))
	_ = -(HeaderSize ^ unsafe.Sizeof(header{}))
	_ = -(HeaderSize ^ 128)
)
