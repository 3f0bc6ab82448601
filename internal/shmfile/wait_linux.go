package shmfile

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// look is how often a waiter looks although nothing was reported: some changes
// are not (the death of a process that was replacing the object, a lost event),
// and the machine may have no inotify instance left.
const look = 50 * time.Millisecond

// watcher waits for files to appear in a directory, on the runtime's poller: it holds no
// thread.
type watcher struct {
	f      *os.File // nil: only looks
	events [4096]byte
}

func watch(dir string) *watcher {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return &watcher{}
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		unix.Close(fd)
		return &watcher{}
	}
	return &watcher{f: os.NewFile(uintptr(fd), "inotify")}
}

// wait returns when it is worth looking again, or with ctx's error.
func (w *watcher) wait(ctx context.Context) error {
	if w.f == nil {
		t := time.NewTimer(look)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	// An unset deadline fails on a closed file only, and this one is ours.
	w.f.SetReadDeadline(time.Now().Add(look))
	stop := context.AfterFunc(ctx, func() { w.f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	w.f.Read(w.events[:]) // whatever it reports, the caller looks itself
	return ctx.Err()
}

func (w *watcher) close() {
	if w.f != nil {
		w.f.Close()
	}
}
