package mem

// Line is the distance between words that different processes write: two
// cache lines of 64 bytes, because the adjacent-line prefetcher of current
// x86 processors, and the 128-byte lines of some arm64 ones, couple pairs.
const Line = 128
