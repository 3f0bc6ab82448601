// A program that is built with cgo, and holds what is in the file that it has
// inherited: cell 0 as a near cell, cell 1 as a foreign one, and cell 2 from a
// C thread by glibc.
package main

/*
#cgo LDFLAGS: -lpthread
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *hold(void *at) {
	pthread_mutex_t *m = at;
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	if (pthread_mutex_init(m, &a) != 0 || pthread_mutex_lock(m) != 0)
		abort();
	for (;;)
		pause();
}

static int start(void *at) {
	pthread_t t;
	return pthread_create(&t, NULL, hold, at);
}
*/
import "C"

import (
	"io"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"golang.org/x/sys/unix"
)

func main() {
	f := os.NewFile(3, "shared")
	m, err := mem.Map(f, 4096, mem.Options{})
	check(err)
	foreign, err := unix.Mmap(3, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	check(err)
	check((*robust.Cell)(unsafe.Pointer(&m.Bytes()[0])).Take(0, 0))
	check((*robust.Cell)(unsafe.Pointer(&foreign[64])).Take(0, 0))
	if C.start(unsafe.Pointer(&foreign[128])) != 0 {
		panic("pthread_create")
	}
	for (*atomic.Uint32)(unsafe.Pointer(&foreign[128])).Load() == 0 {
		unix.Getppid()
	}
	os.Stdout.WriteString("held\n")
	io.Copy(io.Discard, os.Stdin)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
