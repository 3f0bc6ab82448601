package main

import (
	"os"
	"os/signal"
	"syscall"
)

// endings are the signals that end top in order.
func endings() []os.Signal {
	return []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
}

func notifyResize(c chan<- os.Signal) { signal.Notify(c, syscall.SIGWINCH) }
