package shm

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// adviseHuge asks for huge pages and lets the kernel allocate them: when memory is
// allocated in another way, by fallocate, the advice is not looked at. Whether it
// works is seen afterwards.
func adviseHuge(b []byte) {
	if unix.Madvise(b, unix.MADV_HUGEPAGE) == nil {
		_ = unix.Madvise(b, unix.MADV_POPULATE_WRITE) // what is missing is allocated next
	}
}

// hugeBytes reads from /proc/self/smaps how much of b is mapped by huge pages.
func hugeBytes(b []byte) (int, error) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	total, ours := 0, uint64(0) // bytes of the map that is being described, if it is ours
	s := bufio.NewScanner(f)
	for s.Scan() {
		field, rest, ok := bytes.Cut(s.Bytes(), []byte{':'})
		if !ok {
			continue
		}
		if lo, hi, ok := mapRange(s.Bytes()); ok {
			if ours = 0; overlaps(b, uintptr(lo), uintptr(hi)) {
				ours = hi - lo
			}
			continue
		}
		var kib int
		if ours == 0 || !bytes.HasSuffix(rest, []byte(" kB")) {
			continue
		}
		if _, err := fmt.Sscanf(string(rest), "%d kB", &kib); err != nil {
			continue
		}
		switch string(field) {
		case "KernelPageSize":
			if kib<<10 > os.Getpagesize() { // reserved ones: there are no others in this map
				total += int(ours)
			}
		case "ShmemPmdMapped", "FilePmdMapped":
			total += kib << 10
		}
	}
	return min(total, len(b)), s.Err()
}

// mapRange parses the first line of a map's description, "lo-hi perms …".
func mapRange(line []byte) (lo, hi uint64, ok bool) {
	addresses, _, _ := bytes.Cut(line, []byte{' '})
	from, to, ok := bytes.Cut(addresses, []byte{'-'})
	if !ok {
		return 0, 0, false
	}
	lo, err1 := strconv.ParseUint(string(from), 16, 64)
	hi, err2 := strconv.ParseUint(string(to), 16, 64)
	return lo, hi, err1 == nil && err2 == nil
}
