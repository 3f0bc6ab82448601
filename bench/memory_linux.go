package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawSegment makes an anonymous segment as package shm does, of allocated memory whose
// size is sealed, and closes it, with the system calls alone.
func rawSegment() error {
	fd, err := unix.MemfdCreate("bench", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	defer unix.Close(fd)
	if err := unix.Fallocate(fd, 0, 0, memoryBytes); err != nil {
		return os.NewSyscallError("fallocate", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return os.NewSyscallError("seal", err)
	}
	p, err := unix.MmapPtr(fd, 0, nil, memoryBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	return os.NewSyscallError("munmap", unix.MunmapPtr(p, memoryBytes))
}

// minorFaults returns how many pages this process has been given without reading a
// disk.
func minorFaults() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return int64(u.Minflt)
}
